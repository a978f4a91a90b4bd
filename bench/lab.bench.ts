import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { makeDispatcher } from '#lab/dispatchers';
import { GpuPlacer } from '#lab/gpu-placer';
import { clusterOf } from '#lab/openb';
import { RandomStream } from '#lab/random-stream';
import type { Scenario } from '#lab/scenario';
import { runScenario } from '#lab/scenario';
import type { GpuNode, GpuPod } from '#policy/placement/gpu-node';
import { emptyGpuNode } from '#policy/placement/gpu-node';
import { parseGpuPolicy } from '#policy/placement/gpu-policies';
import { nodeWorld } from '#world/node/node-world';
import { benchOptions } from './options.ts';

const help = `How fast the lab is, on one core, through the same interfaces that live hosts use.

  node bench/lab.bench.ts [--write] [--memory]

--memory measures that alone. --write puts what was measured into docs/benchmarks/lab.md.`;

const ROUNDS = 5;
const JOBS = 400_000;
const NODES = 10_000;
const options = benchOptions(help, { write: { type: 'boolean', default: false }, memory: { type: 'boolean', default: false } });
const world = nodeWorld({ logLevel: 'error', logName: 'bench' });

interface Row {
  readonly measure: string;
  readonly figure: string;
  readonly asked?: string;
}

const QUEUE: Scenario = {
  policy: 'fifo',
  classes: [{ tenant: 'all', weight: 1, priority: 0, gaps: 'exp?mean=1.25', sizes: 'exp?mean=1' }],
  workers: 1,
  jobs: JOBS,
  warmup: JOBS / 10,
  seed: 1,
};

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** CPU seconds of this process that `work` took: other programs on the machine do not count. */
function cpuSecondsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const used = process.cpuUsage(before);
  return (used.user + used.system) / 1e6;
}

function perCpuSecond(work: () => number): number {
  return median(
    Array.from({ length: ROUNDS }, () => {
      let count = 0;
      const seconds = cpuSecondsOf(() => {
        count = work();
      });
      return count / seconds;
    }),
  );
}

function events(scenario: Partial<Scenario>, asked: string, measure: string): Row {
  const rate = perCpuSecond(() => runScenario({ ...QUEUE, ...scenario }).events);
  return { measure, figure: `${(rate / 1e6).toFixed(2)} M events/s`, asked };
}

function simulator(): Row[] {
  const busy = (workers: number): Scenario['classes'] => [{ tenant: 'all', weight: 1, priority: 0, gaps: `exp?mean=${1.25 / workers}`, sizes: 'exp?mean=1' }];
  return [
    events({}, '≥ 2 M', 'first come first served, one worker, load 0.8'),
    events({ policy: 'sjf' }, '≥ 2 M', 'shortest job first'),
    events({ policy: 'srpt' }, '≥ 2 M', 'shortest remaining time first'),
    events({ policy: 'time-slice?quantum=100ms' }, '≥ 1 M', 'time slices of a tenth of the mean size'),
    events({ policy: 'mlfq?allotments=1s,3s' }, '', 'multi-level feedback'),
    events({ policy: 'ps' }, '', 'processor sharing, exact'),
    events({ workers: 100, classes: busy(100) }, '', 'first come first served, 100 workers'),
  ];
}

/** Ten million jobs in a fresh process, whose memory is then read; run by `--memory`. */
function memory(): Row[] {
  const seconds = cpuSecondsOf(() => void runScenario({ ...QUEUE, jobs: 10_000_000, warmup: 1_000_000, policy: 'srpt' }));
  const peakMib = process.resourceUsage().maxRSS / 1_024;
  return [
    {
      measure: '10 million simulated jobs, shortest remaining time first',
      figure: `${peakMib.toFixed(0)} MiB at most, ${seconds.toFixed(1)} s`,
      asked: '≤ 1,536 MiB',
    },
  ];
}

function cluster(): GpuNode[] {
  return Array.from({ length: NODES }, (_, index) => {
    const cpuMilli = index % 3 === 0 ? 96_000 : 64_000;
    return emptyGpuNode({ name: `node-${String(index).padStart(5, '0')}`, model: 'T4', gpuCount: 4, cpuMilli, memoryMib: 262_144 });
  });
}

function placements(policyText: string, asked: string): Row {
  const pods: readonly GpuPod[] = Array.from({ length: 60 }, (_, index) => ({
    cpuMilli: 500 + 250 * (index % 12),
    memoryMib: 1_024 * (1 + (index % 5)),
    gpuMilli: index % 4 === 0 ? 250 : 0,
    gpuCount: index % 4 === 0 ? 1 : 0,
    models: [],
  }));
  const policy = parseGpuPolicy(policyText);
  const rate = perCpuSecond(() => {
    const nodes = cluster();
    const placer = new GpuPlacer(clusterOf(nodes, pods, 1), policy, new RandomStream(1, 'ties'));
    const random = new RandomStream(1, 'pods');
    let placed = 0;
    for (let index = 0; index < 40_000; index += 1) if (placer.place(pods[random.integer(pods.length)] as GpuPod) !== undefined) placed += 1;
    return placed;
  });
  return { measure: `placements on ${NODES.toLocaleString('en')} nodes, ${policyText}`, figure: `${Math.round(rate).toLocaleString('en')}/s`, asked };
}

function dispatchers(): Row[] {
  const picks = 1_000_000;
  return ['p2c', 'least-connections', 'least-work-left', 'round-robin'].map((name) => {
    const dispatcher = makeDispatcher(name);
    const random = new RandomStream(1, 'picks');
    const replicas = { count: 16, pending: new Int32Array(16).map(() => random.integer(20)), freeAt: new Float64Array(16).map(() => random.next()) };
    const rate = perCpuSecond(() => {
      let sum = 0;
      for (let pick = 0; pick < picks; pick += 1) sum += dispatcher.pick(replicas, pick, random, pick);
      return sum >= 0 ? picks : 0;
    });
    return { measure: `the lab's balancing decision, ${name}, 16 replicas`, figure: `${(1e9 / rate).toFixed(0)} ns`, asked: name === 'p2c' ? '< 300 ns' : '' };
  });
}

function table(rows: readonly Row[]): string {
  return ['| measure | figure | asked |', '|---|---|---|', ...rows.map(({ measure, figure, asked }) => `| ${measure} | ${figure} | ${asked ?? ''} |`)].join(
    '\n',
  );
}

const rows = options.memory
  ? memory()
  : [
      ...simulator(),
      placements('best-fit', '≥ 2,000/s'),
      placements('best-fit?sample=500', '≥ 20,000/s'),
      placements('best-fit?sample=100', '≥ 80,000/s'),
      ...dispatchers(),
      ...(options.write ? memory() : []),
    ];
process.stdout.write(`${table(rows)}\n`);
if (options.write) {
  const machine = `${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}), ${process.platform}, Node ${process.version}`;
  const day = new Date(world.clock.wall()).toISOString().slice(0, 10);
  const method = `Medians of ${ROUNDS} rounds in CPU time of one thread, since other work ran on the machine; ${JOBS.toLocaleString('en')} jobs a round, arrivals and sizes drawn and all statistics kept.`;
  const missing =
    'Not measured: policies from other packages, traces larger than memory, placement with affinity or spread rules, the live gateway’s own balancers.';
  const folder = fileURLToPath(new URL('../docs/benchmarks/', import.meta.url));
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}lab.md`, `# The lab\n\n\`node bench/lab.bench.ts --write\`, ${day}, ${machine}.\n${method}\n\n${table(rows)}\n\n${missing}\n`);
}
