import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DemoCluster } from '#cli/demo/demo-cluster';
import { addressesOf } from '#cli/home';
import { nodeWorld } from '#world/node/node-world';
import { benchOptions } from './options.ts';

const help = `Figures of the whole platform on this machine: start, first answer, memory of control, idle cost.

  node bench/platform.bench.ts [--write]

--write puts what was measured into docs/benchmarks/platform.md.`;

const ROUNDS = 5;
const MANY_INSTANCES = 100;
const IDLE_MS = 30_000;
const SETTLE_MS = 10_000;
const TICKS_PER_SECOND = 100;
const shop = join(import.meta.dirname, '../examples/shop');

const options = benchOptions(help, { write: { type: 'boolean', default: false } });
const world = nodeWorld({ logLevel: 'error', logName: 'bench' });
const { signal } = new AbortController();
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const rows: [what: string, figure: string, goal: string][] = [];

const upMs: number[] = [];
const firstAnswerMs: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const startedAt = performance.now();
  await using cluster = await DemoCluster.start(world, signal);
  upMs.push(performance.now() - startedAt);
  await cluster.haven('pool', 'create', 'worker', '--nodes', '3');
  firstAnswerMs.push(await deployToFirstAnswer(cluster));
}
rows.push(['`haven up` to API ready, median of 5', `${(median(upMs) / 1_000).toFixed(2)} s`, '≤ 1.5 s']);
rows.push(['`haven deploy` without install step to the first 200, command included, median of 5', `${(median(firstAnswerMs) / 1_000).toFixed(2)} s`, '≤ 3 s']);

{
  await using cluster = await DemoCluster.start(world, signal);
  await cluster.haven('pool', 'create', 'worker', '--nodes', '3');
  await cluster.haven('deploy', shop);
  await world.clock.sleep(SETTLE_MS);
  const before = await usageByProcess(cluster);
  await world.clock.sleep(IDLE_MS);
  const after = await usageByProcess(cluster);
  let totalShare = 0;
  for (const [name, usage] of after) {
    const share = (usage.cpuSeconds - (before.get(name)?.cpuSeconds ?? 0)) / (IDLE_MS / 1_000);
    totalShare += share;
    rows.push([`idle, shop on 3 nodes: ${name}`, `${(100 * share).toFixed(2)} % of a core, ${usage.memoryMb.toFixed(0)} MB`, '']);
  }
  rows.push(['idle, shop on 3 nodes: whole platform', `${(100 * totalShare).toFixed(2)} % of a core`, '≤ 3 %']);
}

{
  await using cluster = await DemoCluster.start(world, signal);
  await cluster.haven('pool', 'create', 'worker', '--nodes', '3');
  const directory = await mkdtemp(join(tmpdir(), 'haven-bench-'));
  const config = {
    name: 'many',
    idle: { run: { process: 'sleep 100000' }, count: MANY_INSTANCES, resources: { cpu: 0.01, memory: '16Mi' }, update: { minHealthy: '1s', maxParallel: 25 } },
  };
  await writeFile(join(directory, 'haven.config.json'), JSON.stringify(config));
  const deployed = await cluster.haven('deploy', directory);
  await rm(directory, { recursive: true });
  if (deployed.exitCode !== 0) throw new Error(deployed.stderr);
  await world.clock.sleep(SETTLE_MS);
  const control = (await usageByProcess(cluster)).get('control');
  rows.push([`memory of control with ${MANY_INSTANCES} instances`, `${control?.memoryMb.toFixed(0)} MB`, '≤ 150 MB']);
}

const lines = ['| what | measured | goal |', '|---|---|---|', ...rows.map((row) => `| ${row.join(' | ')} |`)];
console.log(lines.join('\n'));
if (options.write) {
  const text = `# The platform's own cost

\`npm run bench:platform\` on ${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0]?.model}, Linux ${release()}, Node ${process.versions.node}.

${lines.join('\n')}

Method: clusters of their own in temporary folders, compiled code cached as after a first start. CPU is utime + stime of each process over 30 s without requests, memory its
resident set, both from \`/proc\`. Not measured: the first start ever after an installation, which compiles; other kinds of disk; the apps themselves.
`;
  await writeFile(join(import.meta.dirname, '../docs/benchmarks/platform.md'), text);
}

async function deployToFirstAnswer(cluster: DemoCluster): Promise<number> {
  const { host, port } = addressesOf(cluster.home).gateway;
  const startedAt = performance.now();
  const deploying = cluster.haven('deploy', shop);
  while (true) {
    const answer = await fetch(`http://${host}:${port}/healthz`).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.status === 200) break;
    await world.clock.sleep(10);
  }
  const tookMs = performance.now() - startedAt;
  await deploying;
  return tookMs;
}

/** CPU and memory of each of Haven's own processes of the cluster, by name. */
async function usageByProcess(cluster: DemoCluster): Promise<Map<string, { readonly cpuSeconds: number; readonly memoryMb: number }>> {
  const usages = new Map<string, { readonly cpuSeconds: number; readonly memoryMb: number }>();
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const [command, environment, stat, status] = await Promise.all(
      ['cmdline', 'environ', 'stat', 'status'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')),
    );
    const entry = /(supervisor|control|gateway|agent|worker)\.main\.ts\0?([a-z0-9-]*)/.exec(command ?? '');
    if (!entry || !environment?.includes(`HAVEN_HOME=${cluster.home.directory}\0`)) continue;
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
    const memoryKb = Number(/VmRSS:\s+(\d+)/.exec(status ?? '')?.[1] ?? 0);
    usages.set(`${entry[1]} ${entry[2]}`.trim(), { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND, memoryMb: memoryKb / 1_024 });
  }
  return usages;
}
