import { PlatformError } from '#base/errors';
import { readCsv } from '#lab/csv';
import { openbNodes, openbPods, runOpenb } from '#lab/openb';
import { createOutput, table } from '../output.ts';
import { countOption, textOption } from './lab-options.ts';
import { readInput } from './read-input.ts';
import type { LabInput } from './register.ts';

const NODE_COLUMNS = ['sn', 'cpu_milli', 'memory_mib', 'gpu', 'model'];
const POD_COLUMNS = ['name', 'cpu_milli', 'memory_mib', 'num_gpu', 'gpu_milli'];
const MOST_SEEDS = 1_000;

/** `haven lab openb NODES.csv PODS.csv`. */
export async function run({ args, options, signal }: LabInput): Promise<number> {
  const output = createOutput({ json: options['json'] === true, quiet: options['quiet'] === true });
  const nodes = openbNodes(await readTable(args[0] ?? '', NODE_COLUMNS));
  const pods = openbPods(await readTable(args[1] ?? '', POD_COLUMNS));
  const policy = textOption(options, 'policy', 'fgd');
  const targetPct = countOption(options, 'demand', 130);
  const startedAt = performance.now();
  const runs = [];
  for (const seed of seedsOf(textOption(options, 'seeds', '42..51'))) {
    if (signal.aborted) break;
    runs.push(runOpenb(nodes, pods, { policy, seed, targetPct }));
    // Lets Ctrl-C in between two runs.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const allocations = runs.map((one) => one.gpu_allocation_pct);
  const mean = allocations.reduce((sum, value) => sum + value, 0) / Math.max(1, runs.length);
  const deviation = Math.sqrt(allocations.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, runs.length - 1));
  if (output.json) {
    output.record({ policy, nodes: nodes.length, demand_pct: targetPct, runs, mean, sd: deviation, gpu_allocation_pct: mean });
    return signal.aborted ? 130 : 0;
  }
  output.progress(`${runs.length} runs in ${((performance.now() - startedAt) / 1_000).toFixed(2)} s`);
  const rows = runs.map((one) => [String(one.seed), String(one.pods), String(one.placed), one.gpu_allocation_pct.toFixed(2), one.fragmentation_pct.toFixed(1)]);
  output.data(table(['>seed', '>pods', '>placed', '>GPUs allocated %', '>of the rest useless %'], rows));
  output.data(
    `${policy}: ${mean.toFixed(2)} % of GPUs allocated (sd ${deviation.toFixed(2)}) when ${targetPct} % had been asked for, on ${nodes.length} nodes`,
  );
  return signal.aborted ? 130 : 0;
}

/** Reads a table and makes sure of its columns. INVALID names the first that is missing. */
async function readTable(path: string, columns: readonly string[]): Promise<ReturnType<typeof readCsv>> {
  const rows = readCsv(await readInput(path));
  const first = rows[0];
  if (first === undefined) throw new PlatformError('INVALID', `Cannot use "${path}", because it has no rows`, { path });
  for (const column of columns) {
    if (first.cells[column] === undefined) throw new PlatformError('INVALID', `Cannot use "${path}", because it has no column "${column}"`, { path, column });
  }
  return rows;
}

/** `42..51`, `42,45` or `42`. */
function seedsOf(text: string): readonly number[] {
  const range = /^(\d+)\.\.(\d+)$/.exec(text);
  const seeds = range
    ? Array.from({ length: Math.min(MOST_SEEDS + 1, Number(range[2]) - Number(range[1]) + 1) }, (_, index) => Number(range[1]) + index)
    : text.split(',').map(Number);
  if (seeds.length === 0 || seeds.length > MOST_SEEDS || seeds.some((seed) => !Number.isSafeInteger(seed) || seed < 0)) {
    throw new PlatformError('INVALID', `Cannot use --seeds ${text}, because it must be like 42..44 or 42,43, at most ${MOST_SEEDS} of them`, { text });
  }
  return seeds;
}
