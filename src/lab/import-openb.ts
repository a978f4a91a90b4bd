import { PlatformError } from '#base/errors';
import type { GpuNode, GpuPod } from '#policy/placement/gpu-node';
import { emptyGpuNode } from '#policy/placement/gpu-node';
import type { CsvRow } from './csv.ts';
import type { BadRow } from './event-log.ts';
import { UNIT } from './job-source.ts';

const NODE_COLUMNS = ['sn', 'cpu_milli', 'memory_mib', 'gpu', 'model'] as const;
const POD_COLUMNS = ['cpu_milli', 'memory_mib', 'num_gpu', 'gpu_milli'] as const;
/** More GPUs in one node than their set is kept for. */
const MOST_GPUS = 30;

export interface OpenbNodes {
  /** Nodes in order of name. */
  readonly nodes: readonly GpuNode[];
  readonly bad: readonly BadRow[];
}

/**
 * A node list of openb. Columns beyond its own, such as `zone`, are labels. Rows that make no sense, or repeat a name, are left out and listed. INVALID when a
 * column is missing or no node is left.
 */
export function openbNodes(rows: readonly CsvRow[]): OpenbNodes {
  needColumns(rows, NODE_COLUMNS, 'nodes');
  const byName = new Map<string, GpuNode>();
  const bad: BadRow[] = [];
  for (const { line, cells } of rows) {
    const { sn: name = '', model = '', cpu_milli: _, memory_mib: __, gpu: ___, ...labels } = cells;
    const numbers = numbersOf(cells, ['gpu', 'cpu_milli', 'memory_mib']);
    if (typeof numbers === 'string') bad.push({ line, reason: numbers });
    else if (name === '') bad.push({ line, reason: 'has no name' });
    else if (byName.has(name)) bad.push({ line, reason: `"${name}" is there twice` });
    else if ((numbers['gpu'] as number) > MOST_GPUS) bad.push({ line, reason: `has ${numbers['gpu']} GPUs, more than ${MOST_GPUS}` });
    else {
      const { gpu = 0, cpu_milli: cpuMilli = 0, memory_mib: memoryMib = 0 } = numbers;
      byName.set(name, emptyGpuNode({ name, model, gpuCount: gpu, cpuMilli, memoryMib, labels: { ...labels, model } }));
    }
  }
  if (byName.size === 0) throw nothing('nodes', rows, bad);
  return { nodes: [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name))), bad };
}

export interface OpenbPods {
  /** In the order of the file; equal pods are one object. */
  readonly pods: readonly GpuPod[];
  /** Of each pod: when it came, and how long it ran, in microseconds from the first; absent where the file does not say. */
  readonly lives: readonly ({ readonly at: number; readonly stay: number } | undefined)[];
  readonly bad: readonly BadRow[];
}

/** A pod list of openb; a column `app` says what a pod is a part of. Rows that make no sense are left out and listed. INVALID when a column is missing or no pod is left. */
export function openbPods(rows: readonly CsvRow[]): OpenbPods {
  needColumns(rows, POD_COLUMNS, 'pods');
  const kinds = new Map<string, GpuPod>();
  const pods: GpuPod[] = [];
  const lives: ({ readonly at: number; readonly stay: number } | undefined)[] = [];
  const bad: BadRow[] = [];
  for (const { line, cells } of rows) {
    const numbers = numbersOf(cells, ['cpu_milli', 'memory_mib', 'num_gpu', ...(Number(cells['num_gpu']) > 0 ? ['gpu_milli'] : [])]);
    if (typeof numbers === 'string') {
      bad.push({ line, reason: numbers });
      continue;
    }
    const { cpu_milli: cpuMilli = 0, memory_mib: memoryMib = 0, num_gpu: gpuCount = 0, gpu_milli: gpuMilli = 0 } = numbers;
    if (gpuCount > 0 && (gpuMilli === 0 || gpuMilli > 1_000)) {
      bad.push({ line, reason: `gpu_milli is "${cells['gpu_milli']}", not a share of a GPU from 1 to 1000` });
      continue;
    }
    const models = (cells['gpu_spec'] ?? '').split('|').filter((model) => model !== '');
    const app = cells['app'];
    const key = `${cpuMilli} ${memoryMib} ${gpuMilli} ${gpuCount} ${models.join('|')} ${app ?? ''}`;
    const known = kinds.get(key) ?? { cpuMilli, memoryMib, gpuMilli, gpuCount, models, ...(app === undefined || app === '' ? {} : { app }) };
    kinds.set(key, known);
    pods.push(known);
    lives.push(lifeOf(cells));
  }
  if (pods.length === 0) throw nothing('pods', rows, bad);
  return { pods, lives, bad };
}

/** From its creation for as long as it ran: scheduling took time in the recorded cluster, which is not a part of its run. */
function lifeOf(cells: Readonly<Record<string, string>>): { readonly at: number; readonly stay: number } | undefined {
  const [created, deleted, scheduled] = ['creation_time', 'deletion_time', 'scheduled_time'].map((column) => {
    const text = cells[column];
    return text === undefined || text === '' ? Number.NaN : Number(text);
  }) as [number, number, number];
  const began = Number.isFinite(scheduled) ? scheduled : created;
  if (!(created >= 0 && deleted > began)) return undefined;
  return { at: Math.round(created * UNIT), stay: Math.round((deleted - began) * UNIT) };
}

function needColumns(rows: readonly CsvRow[], columns: readonly string[], what: string): void {
  const [first] = rows;
  if (first === undefined) throw new PlatformError('INVALID', `Cannot read the ${what}, because the table has no rows`);
  // A short row lacks its last columns, so that one complete row is looked for.
  const missing = columns.find((column) => rows.every(({ cells }) => cells[column] === undefined));
  if (missing === undefined) return;
  throw new PlatformError('INVALID', `Cannot read the ${what}, because column "${missing}" is missing; there are ${Object.keys(first.cells).join(', ')}`, {
    missing,
  });
}

function numbersOf(cells: Readonly<Record<string, string>>, columns: readonly string[]): Readonly<Record<string, number>> | string {
  const numbers: Record<string, number> = {};
  for (const column of columns) {
    const text = cells[column] ?? '';
    const value = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < 0) return `${column} is "${text}", not a whole number of at least 0`;
    numbers[column] = value;
  }
  return numbers;
}

function nothing(what: string, rows: readonly CsvRow[], bad: readonly BadRow[]): PlatformError {
  const [first] = bad;
  return new PlatformError(
    'INVALID',
    `Cannot use the ${what}, because none of ${rows.length} rows makes sense${first === undefined ? '' : ` (line ${first.line} ${first.reason})`}`,
  );
}
