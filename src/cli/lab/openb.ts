import { PlatformError } from '#base/errors';
import { readCsv } from '#lab/csv';
import type { OpenbNodes, OpenbPods } from '#lab/import-openb';
import { openbNodes, openbPods } from '#lab/import-openb';
import { clusterOf, runOpenb } from '#lab/openb';
import type { PodLife } from '#lab/placement-simulator';
import { simulatePlacement } from '#lab/placement-simulator';
import { parseGpuPolicy } from '#policy/placement/gpu-policies';
import { EXIT } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { createOutput, table } from '../output.ts';
import { badRowsRecord, warnOfBadRows } from './bad-rows.ts';
import { countOption, textOption } from './lab-options.ts';
import { readInput } from './read-input.ts';
import type { LabInput } from './register.ts';

const MOST_SEEDS = 1_000;

interface Trace {
  readonly nodes: OpenbNodes;
  readonly pods: OpenbPods;
  readonly policy: string;
  readonly seeds: readonly number[];
}

/** `haven lab openb NODES.csv PODS.csv`. */
export async function run({ args, options, signal }: LabInput): Promise<number> {
  const output = createOutput({ json: options['json'] === true, quiet: options['quiet'] === true });
  const [nodesPath = '', podsPath = ''] = args;
  const policy = parseGpuPolicy(textOption(options, 'policy', 'fgd')).name;
  const seeds = seedsOf(textOption(options, 'seeds', '42..51'));
  const nodes = openbNodes(readCsv(await readInput(nodesPath)));
  warnOfBadRows(nodesPath, { bad: nodes.bad, unsorted: 0, output });
  const pods = openbPods(readCsv(await readInput(podsPath)));
  warnOfBadRows(podsPath, { bad: pods.bad, unsorted: 0, output });
  const trace = { nodes, pods, policy, seeds };
  return options['lifetimes'] === true ? await overTime(trace, { options, signal, output }) : await untilFull(trace, { options, signal, output });
}

interface Running {
  readonly options: LabInput['options'];
  readonly signal: AbortSignal;
  readonly output: Output;
}

/** Pods come and never leave, until a share of the GPUs has been asked for. */
async function untilFull({ nodes, pods, policy, seeds }: Trace, { options, signal, output }: Running): Promise<number> {
  const targetPct = countOption(options, 'demand', 130);
  const moves = options['defragment'] === undefined ? {} : { moves: countOption(options, 'defragment', 100) };
  const startedAt = performance.now();
  const runs = await perSeed(seeds, signal, (seed) => runOpenb(nodes.nodes, pods.pods, { policy, seed, targetPct, ...moves }));
  const { mean, deviation } = spreadOf(runs.map((one) => one.gpu_allocation_pct));
  if (output.json) {
    const bad = badRowsRecord([...nodes.bad, ...pods.bad]);
    output.record({ policy, nodes: nodes.nodes.length, demand_pct: targetPct, runs, mean, sd: deviation, gpu_allocation_pct: mean, ...bad });
    return signal.aborted ? EXIT.interrupted : EXIT.ok;
  }
  output.progress(`${runs.length} runs in ${((performance.now() - startedAt) / 1_000).toFixed(2)} s`);
  const rows = runs.map((one) => [
    ...[one.seed, one.pods, one.placed].map(String),
    one.gpu_allocation_pct.toFixed(2),
    one.fragmentation_pct.toFixed(1),
    ...(one.moved === undefined ? [] : [String(one.moved.moves), one.moved.fragmentation_pct.toFixed(1)]),
  ]);
  const moved = runs[0]?.moved === undefined ? [] : ['>pods moved', '>useless then %'];
  output.data(table(['>seed', '>pods', '>placed', '>GPUs allocated %', '>of the rest useless %', ...moved], rows));
  output.data(
    `${policy}: ${mean.toFixed(2)} % of GPUs allocated (sd ${deviation.toFixed(2)}) when ${targetPct} % had been asked for, on ${nodes.nodes.length} nodes`,
  );
  return signal.aborted ? EXIT.interrupted : EXIT.ok;
}

/** Pods come when they did, run as long as they did, and leave. */
async function overTime({ nodes, pods, policy, seeds }: Trace, { options, signal, output }: Running): Promise<number> {
  const scale = Number(textOption(options, 'arrivalScale', '1'));
  if (!(scale > 0)) throw new PlatformError('INVALID', `Cannot use --arrival-scale ${scale}, because it must be a number above 0`);
  const order = textOption(options, 'order', 'skip');
  if (order !== 'skip' && order !== 'fifo') throw new PlatformError('INVALID', `Cannot use --order ${order}, because it must be skip or fifo`);
  const lives = pods.pods
    .flatMap((pod, index): PodLife[] => {
      const life = pods.lives[index];
      return life === undefined ? [] : [{ pod, at: Math.round(life.at * scale), stay: life.stay }];
    })
    .sort((a, b) => a.at - b.at);
  const timeless = pods.pods.length - lives.length;
  if (timeless > 0) output.warn(`${timeless} pods are not used, because they do not say when they came and left`);
  const runs = await perSeed(seeds, signal, (seed) => {
    const own = nodes.nodes.map((node) => ({ ...node, gpuLeft: node.gpuLeft.slice() }));
    return simulatePlacement(clusterOf(own, pods.pods, parseGpuPolicy(policy).popular), lives, { policy, seed, order });
  });
  if (output.json) output.record({ policy, nodes: nodes.nodes.length, order, runs, timeless, ...badRowsRecord([...nodes.bad, ...pods.bad]) });
  else {
    const rows = runs.map((one) => [
      ...[one.seed, one.pods, one.placed, one.impossible, one.waited].map(String),
      ...[one.mean_wait, one.p99_wait, one.max_wait, one.gpu_allocation_pct, one.fragmentation_pct].map((value) => value.toFixed(1)),
    ]);
    const head = ['>seed', '>pods', '>placed', '>impossible', '>waited', '>mean wait s', '>p99 s', '>max s', '>GPUs allocated %', '>of the rest useless %'];
    output.data(table(head, rows));
    output.data(
      `${policy} on ${nodes.nodes.length} nodes; shares are means over time, pods ${order === 'skip' ? 'that fit overtake waiting ones' : 'wait in line'}`,
    );
  }
  return signal.aborted ? EXIT.interrupted : EXIT.ok;
}

async function perSeed<Result>(seeds: readonly number[], signal: AbortSignal, runOne: (seed: number) => Result): Promise<readonly Result[]> {
  const runs: Result[] = [];
  for (const seed of seeds) {
    if (signal.aborted) break;
    runs.push(runOne(seed));
    // Lets Ctrl-C in between two runs.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return runs;
}

function spreadOf(values: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  return { mean, deviation: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1)) };
}

/** `42..51`, `42,45` or `42`. */
function seedsOf(text: string): readonly number[] {
  const range = /^(\d+)\.\.(\d+)$/.exec(text);
  const seeds = range
    ? Array.from({ length: Math.max(0, Math.min(MOST_SEEDS + 1, Number(range[2]) - Number(range[1]) + 1)) }, (_, index) => Number(range[1]) + index)
    : text.split(',').map((part) => (/^\d+$/.test(part) ? Number(part) : Number.NaN));
  if (seeds.length === 0 || seeds.length > MOST_SEEDS || seeds.some((seed) => !Number.isSafeInteger(seed) || seed < 0)) {
    throw new PlatformError('INVALID', `Cannot use --seeds ${text}, because it must be like 42..44 or 42,43, at most ${MOST_SEEDS} of them`, { text });
  }
  return seeds;
}
