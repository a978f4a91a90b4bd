import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Case } from './gateway-cases.ts';
import type { Measured } from './gateway-load.ts';
import { loadText, machineText } from './gateway-machine.ts';

/** Medians over the rounds, by peer. */
export interface CaseResult {
  readonly name: string;
  readonly title: string;
  readonly date: string;
  readonly machine: string;
  readonly load: string;
  readonly rounds: number;
  readonly peers: Readonly<Record<string, PeerResult>>;
}

export interface PeerResult extends Measured {
  /** Of the figure that the case is about: the median of the ratios to the first peer named `nginx` in the same round. */
  readonly ofNginx?: number;
  readonly ofHaproxy?: number;
}

interface Column {
  readonly key: keyof PeerResult;
  readonly title: string;
  readonly digits: number;
}

const COLUMNS: readonly Column[] = [
  { key: 'cpuUs', title: 'CPU µs', digits: 1 },
  { key: 'perSecond', title: 'per s', digits: 0 },
  { key: 'p50Ms', title: 'p50 ms', digits: 2 },
  { key: 'p99Ms', title: 'p99 ms', digits: 2 },
  { key: 'residentMiB', title: 'MiB', digits: 1 },
  { key: 'connectionKiB', title: 'KiB each', digits: 1 },
  { key: 'ofNginx', title: '× nginx', digits: 2 },
  { key: 'ofHaproxy', title: '× HAProxy', digits: 2 },
  { key: 'loadBusy', title: 'load core', digits: 2 },
];
/** What a case is about: the first of these that it measures. */
const SUBJECTS = ['p99Ms', 'connectionKiB', 'cpuUs', 'residentMiB', 'perSecond'] as const;

const page = fileURLToPath(new URL('../docs/benchmarks/gateway.md', import.meta.url));
const data = fileURLToPath(new URL('../docs/benchmarks/gateway.json', import.meta.url));
const BEGIN = '<!-- measured: begin -->';
const END = '<!-- measured: end -->';

/** Takes medians, and ratios round by round: those of one round share what else the machine did. */
export function summarize(one: Case, measured: ReadonlyMap<string, readonly Measured[]>): CaseResult {
  const rounds = Math.max(...[...measured.values()].map((each) => each.length));
  const peers: Record<string, PeerResult> = {};
  for (const [name, runs] of measured) {
    const result: Record<string, number> = {};
    for (const { key } of COLUMNS) {
      const values = runs.flatMap((each) => (each as Record<string, number | undefined>)[key] ?? []);
      if (values.length > 0) result[key] = median(values);
    }
    const subject = SUBJECTS.find((key) => runs[0]?.[key] !== undefined);
    for (const [key, peer] of [
      ['ofNginx', 'nginx'],
      ['ofHaproxy', 'HAProxy'],
    ] as const) {
      const others = measured.get(peer);
      if (subject === undefined || others === undefined) continue;
      result[key] = median(runs.map((each, round) => (each[subject] ?? Number.NaN) / (others[round]?.[subject] ?? Number.NaN)));
    }
    peers[name] = result;
  }
  const date = new Date().toISOString().slice(0, 10);
  return { name: one.name, title: one.title, date, machine: machineText(), load: loadText(), rounds, peers };
}

/** A table for people at a terminal. */
export function printCase({ name, title, peers }: CaseResult): void {
  const columns = columnsOf(peers);
  const rows = Object.entries(peers).map(([peer, result]) => [peer.padEnd(20), ...columns.map((column) => cell(result, column).padStart(10))].join(''));
  process.stdout.write(`\n${title} (${name})\n${' '.repeat(20)}${columns.map((column) => column.title.padStart(10)).join('')}\n${rows.join('\n')}\n`);
}

/** Puts the results into the page and its data; cases that were not measured now stay as they were. */
export async function writePage(results: readonly CaseResult[]): Promise<void> {
  const known = await readKnown();
  const names = new Set(results.map(({ name }) => name));
  const all = [...known.filter(({ name }) => !names.has(name)), ...results].sort((a, b) => (a.name < b.name ? -1 : 1));
  await writeFile(data, `${JSON.stringify(all, undefined, 2)}\n`);
  const text = await readFile(page, 'utf8');
  const [before = '', rest = ''] = text.split(BEGIN);
  const after = rest.split(END)[1] ?? '';
  await writeFile(page, `${before}${BEGIN}\n\n${all.map(section).join('\n\n')}\n\n${END}${after}`);
}

async function readKnown(): Promise<CaseResult[]> {
  try {
    return JSON.parse(await readFile(data, 'utf8')) as CaseResult[];
  } catch {
    return [];
  }
}

function section({ name, title, date, load, rounds, peers }: CaseResult): string {
  const columns = columnsOf(peers);
  return [
    `### ${title}`,
    '',
    `\`--cases ${name}\`, ${date}, medians of ${rounds} rounds, load average ${load}`,
    '',
    `| | ${columns.map((column) => column.title).join(' | ')} |`,
    `|---|${columns.map(() => '---:').join('|')}|`,
    ...Object.entries(peers).map(([peer, result]) => `| ${peer} | ${columns.map((column) => cell(result, column)).join(' | ')} |`),
  ].join('\n');
}

function columnsOf(peers: CaseResult['peers']): readonly Column[] {
  return COLUMNS.filter(({ key }) => Object.values(peers).some((result) => result[key] !== undefined));
}

function cell(result: PeerResult, { key, digits }: Column): string {
  return result[key]?.toFixed(digits) ?? '';
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] ?? Number.NaN;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
