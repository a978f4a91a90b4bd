import { PlatformError } from '#base/errors';
import type { CsvRow } from './csv.ts';
import type { Scenario, ScenarioClass } from './scenario.ts';

/** One row of a reference file: what theory says about one metric of one queue. */
export interface ReferenceRow {
  readonly line: number;
  readonly policy: string;
  readonly distribution: string;
  readonly params: string;
  readonly rho: number;
  readonly metric: string;
  readonly value: number;
}

/** Rows that one simulation answers. */
export interface ReferenceGroup {
  readonly rows: readonly ReferenceRow[];
  /** Undefined with the reason when the lab cannot simulate it. */
  readonly scenario: Scenario | undefined;
  readonly problem: string;
}

export interface ReferenceVerdict {
  readonly row: ReferenceRow;
  readonly verdict: 'pass' | 'fail' | 'unsupported' | 'shown';
  readonly measured: number;
  readonly halfWidth: number;
  /** |measured - value| / |value|; the plain difference when the value is 0. */
  readonly deviation: number;
  readonly tolerance: number;
  readonly note: string;
}

const COLUMNS = ['policy', 'distribution', 'params', 'rho', 'metric', 'value'] as const;

/** Reads the rows of a reference file. INVALID names a missing column or the line of a bad number. */
export function referenceRows(rows: readonly CsvRow[]): readonly ReferenceRow[] {
  return rows.map(({ line, cells }) => {
    for (const column of COLUMNS)
      if (cells[column] === undefined) throw new PlatformError('INVALID', `Cannot read line ${line}, because column "${column}" is missing`, { line, column });
    const [rho, value] = [Number(cells['rho']), Number(cells['value'])];
    if (!Number.isFinite(value) || !Number.isFinite(rho))
      throw new PlatformError('INVALID', `Cannot read line ${line}, because rho "${cells['rho']}" or value "${cells['value']}" is not a number`, { line });
    const text = (column: string): string => cells[column] ?? '';
    return { line, policy: text('policy'), distribution: text('distribution'), params: text('params'), rho, metric: text('metric'), value };
  });
}

/** Groups rows by the simulation that answers them, in order of first appearance. */
export function groupReferenceRows(rows: readonly ReferenceRow[], options: { readonly jobs: number; readonly seed: number }): readonly ReferenceGroup[] {
  const groups = new Map<string, ReferenceRow[]>();
  for (const row of rows) {
    const key = `${row.policy}|${row.distribution}|${row.params}|${row.params.includes('mean field') || row.params.includes('any') || row.params.includes('inf') ? row.rho : ''}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()].map((group) => {
    try {
      return { rows: group, scenario: scenarioOfRow(group[0] as ReferenceRow, options), problem: '' };
    } catch (error) {
      if (!(error instanceof PlatformError)) throw error;
      return { rows: group, scenario: undefined, problem: error.message };
    }
  });
}

/** The scenario a row describes. UNSUPPORTED when nothing in the lab stands for its policy, INVALID when its parameters do not make sense. */
export function scenarioOfRow(row: ReferenceRow, options: { readonly jobs: number; readonly seed: number }): Scenario {
  const fields = paramsOf(row.params);
  const name = row.policy.toLowerCase();
  const dispatch = dispatchOf(name);
  const isClosed = /^closed/.test(name) || (dispatch === undefined && (fields['n'] ?? fields['customers']) !== undefined);
  const workers = dispatch?.dispatch === 'fork-join' ? Number(/n=(\d+)/.exec(name)?.[1] ?? fields['n'] ?? fields['c'] ?? 2) : workersOf(row, fields);
  // A closed loop has no arrival rate: its customers' think time is the gap.
  const classes = isClosed ? [{ tenant: 'all', weight: 1, priority: 0, gaps: 'exp', sizes: sizesOf(row, fields) }] : classesOf(row, fields, workers);
  const jobs = options.jobs * stretchOf(row);
  const base: Scenario = {
    classes,
    workers,
    jobs,
    warmup: Math.floor(jobs / (isLimit(row) ? 4 : 10)),
    seed: options.seed,
    policy: 'fifo',
    isStratified: true,
  };
  const setup = /^fcfs\+setup\((\w+) mean=([\d.]+)\)/.exec(name);
  if (setup) return { ...base, setup: `${setup[1]}?mean=${setup[2]}` };
  const turns = /^rr\(q=([\d.]+),\s*overhead=([\d.]+)/.exec(name);
  if (turns) return { ...base, policy: `time-slice?quantum=${micros(turns[1])}`, switchCost: Math.round(Number(turns[2]) * 1e6) };
  const feedback = /^mlfq\(allotments ([^)]*)\)/.exec(name);
  if (feedback) return { ...base, policy: `mlfq?allotments=${allotmentsOf(feedback[1] ?? '', row)}` };
  if (isClosed) return { ...base, closed: closedOf(row, fields) };
  if (dispatch !== undefined) return { ...base, ...dispatch };
  if (/timeout|erlang-a|abandon/.test(name)) return { ...base, patience: patienceOf(row) };
  const capacity = Number.parseInt(fields['k'] ?? '', 10);
  if (/^(loss|fcfs-bounded)/.test(name)) return { ...base, capacity: Number.isNaN(capacity) ? workers : capacity };
  const policy = policyOf(name);
  if (policy === undefined) throw new PlatformError('UNSUPPORTED', `the lab has no policy for "${row.policy}"`);
  return { ...base, policy, ...(/predict/.test(name) || /prediction/.test(row.params) ? { estimates: { model: 'exp' } } : {}) };
}

function policyOf(name: string): string | undefined {
  if (/^(fcfs|fifo)/.test(name)) return 'fifo';
  if (/^random-np|siro/.test(name)) return 'random-order';
  if (/^ps\b/.test(name)) return 'ps';
  if (/^lcfs-pr/.test(name)) return 'lifo-preemptive';
  if (/^lcfs/.test(name)) return 'lifo';
  if (/^(fb|las)\b/.test(name)) return 'las';
  if (/^sjf/.test(name)) return 'sjf';
  if (/^psjf/.test(name)) return 'psjf';
  if (/^srpt/.test(name)) return 'srpt';
  if (/^weighted-fair|^dps/.test(name)) return 'dps';
  if (/^priority-pre/.test(name)) return 'priority?preempt=yes';
  if (/^priority|^any size-blind/.test(name)) return 'priority';
  return undefined;
}

function dispatchOf(name: string): Pick<Scenario, 'dispatch' | 'copies'> | undefined {
  const redundancy = /redundancy-?d=(\d+)/.exec(name);
  if (redundancy) return { dispatch: 'redundancy', copies: Number(redundancy[1]) };
  if (/fork/.test(name)) return { dispatch: 'fork-join' };
  const power = /power-of-(\d+|two|three)/.exec(name) ?? /p(\d)c/.exec(name);
  if (power) return { dispatch: `p2c?choices=${power[1] === 'two' ? 2 : power[1] === 'three' ? 3 : power[1]}` };
  if (/^lb-round-robin/.test(name)) return { dispatch: 'round-robin' };
  if (/^lb-random/.test(name)) return { dispatch: 'random' };
  if (/jsq|least conn/.test(name)) return { dispatch: 'least-connections' };
  if (/lwl|least[- ]work/.test(name)) return { dispatch: 'least-work-left' };
  return undefined;
}

/** `mean=1;lambda=0.3;c=1` by lower-case key; the last wins. */
function paramsOf(params: string): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {};
  for (const match of params.matchAll(/([A-Za-z0-9]+)\s*=\s*([^;\s]+)/g)) fields[(match[1] ?? '').toLowerCase()] = match[2] ?? '';
  return fields;
}

/** Load above which a limit for many servers needs more of them, and longer to settle. */
const CROWDED = 0.95;

/** Whether the row is a limit for infinitely many servers. */
function isLimit(row: ReferenceRow): boolean {
  return /inf\b|mean field/.test(row.params);
}

/** Many servers get few jobs each: such a run is this many times longer. */
function stretchOf(row: ReferenceRow): number {
  if (!isLimit(row)) return 1;
  return row.rho > CROWDED ? 16 : 8;
}

function workersOf(row: ReferenceRow, fields: Readonly<Record<string, string>>): number {
  const stated = Number.parseInt(fields['c'] ?? '', 10);
  if (Number.isInteger(stated) && stated > 0) return stated;
  // Limits for many servers: enough of them that doubling changes less than the tolerance.
  if (isLimit(row)) return /round-robin/.test(row.policy) ? 200 : row.rho > CROWDED ? 4_000 : 1_000;
  return /any/.test(fields['c'] ?? '') ? 10 : 1;
}

function classesOf(row: ReferenceRow, fields: Readonly<Record<string, string>>, workers: number): readonly ScenarioClass[] {
  const listed = [...row.params.matchAll(/class\d+\([^)]*\)\s*lambda=([\d.e-]+)\s+mean=([\d.e-]+)/g)];
  if (listed.length > 0) {
    const weights = (/weights ([\d.:]+)/.exec(row.policy)?.[1] ?? '').split(':').map(Number);
    return listed.map((match, index) => ({
      tenant: `class${index + 1}`,
      weight: weights[index] || 1,
      priority: index,
      gaps: `exp?mean=${plain(1 / Number(match[1]))}`,
      sizes: `exp?mean=${match[2]}`,
    }));
  }
  const sizes = sizesOf(row, fields);
  const stated = Number(/lambda=([\d.e-]+)/.exec(row.params)?.[1]);
  const perServer = /lambda=[\d.e-]+\*c/.test(row.params);
  const mean = Number(fields['mean'] ?? 1);
  const rate = Number.isFinite(stated) ? stated * (perServer ? workers : 1) : (row.rho * workers) / mean;
  if (!(rate > 0)) throw new PlatformError('INVALID', `there is no arrival rate in "${row.params}"`);
  return [{ tenant: 'all', weight: 1, priority: 0, gaps: `exp?mean=${plain(1 / rate)}`, sizes }];
}

function sizesOf(row: ReferenceRow, fields: Readonly<Record<string, string>>): string {
  const mean = fields['mean'] ?? '1';
  switch (row.distribution) {
    case 'exp':
    case 'exp|any':
      return `exp?mean=${mean}`;
    case 'det':
      return `det?mean=${fields['value'] ?? mean}`;
    case 'uniform': {
      const range = /([\d.]+)\.\.([\d.]+)/.exec(row.params);
      if (!range) throw new PlatformError('INVALID', `there is no range in "${row.params}"`);
      return `uniform?low=${Number(range[1])}&high=${Number(range[2])}`;
    }
    case 'h2':
      return `h2?mean=${mean}&scv=${fields['scv'] ?? '4'}`;
    case 'bpareto':
      return `bpareto?low=${fields['l'] ?? 1}&high=${fields['h'] ?? 1_000}&alpha=${fields['alpha'] ?? 1.5}`;
    case 'weibull':
      return `weibull?shape=${fields['shape'] ?? fields['k'] ?? 0.5}&mean=${mean}`;
    case 'lognormal':
      return `lognormal?mean=${mean}&scv=${fields['scv'] ?? 4}`;
    default: {
      const stages = /^erlang-?(\d+)$/.exec(row.distribution);
      if (stages) return `erlang?k=${stages[1]}&mean=${mean}`;
      throw new PlatformError('UNSUPPORTED', `the lab has no law for "${row.distribution}"`);
    }
  }
}

function closedOf(row: ReferenceRow, fields: Readonly<Record<string, string>>): { readonly customers: number; readonly think: string } {
  const customers = Number.parseInt(fields['n'] ?? fields['customers'] ?? '', 10);
  const think = Number(fields['z'] ?? fields['think'] ?? Number.NaN);
  if (!Number.isInteger(customers) || !(think >= 0)) throw new PlatformError('INVALID', `there is no number of customers or think time in "${row.params}"`);
  return { customers, think: think === 0 ? 'det?mean=0.000001' : `exp?mean=${plain(think)}` };
}

function patienceOf(row: ReferenceRow): string {
  const rate = /patience=exp\(rate ([\d.]+)\)/.exec(row.params)?.[1];
  const mean = /patience=exp\(mean[= ]([\d.]+)\)/.exec(row.params)?.[1];
  if (rate === undefined && mean === undefined) throw new PlatformError('INVALID', `there is no patience in "${row.params}"`);
  return `exp?mean=${plain(rate === undefined ? Number(mean) : 1 / Number(rate))}`;
}

/** `1m,3m,inf`: multiples of the mean size. */
function allotmentsOf(text: string, row: ReferenceRow): string {
  const mean = row.distribution === 'bpareto' ? meanOfBoundedPareto(row) : Number(paramsOf(row.params)['mean'] ?? 1);
  const listed = text.split(',').filter((part) => part !== 'inf');
  return listed.map((part) => micros(String(Number.parseFloat(part) * (part.endsWith('m') ? mean : 1)))).join(',');
}

function meanOfBoundedPareto(row: ReferenceRow): number {
  // rho = lambda × mean.
  const rate = Number(/lambda=([\d.e-]+)/.exec(row.params)?.[1]);
  return row.rho / rate;
}

function micros(units: string | undefined): string {
  return `${Math.round(Number(units) * 1e6)}us`;
}

/** Without an exponent or more digits than matter. */
function plain(value: number): string {
  return value.toFixed(12).replace(/\.?0+$/, '');
}

/** Largest relative deviation of a mean, and of a percentile at loads up to 0.8, that passes even outside the confidence interval. */
const MEAN_TOLERANCE = 0.015;
const PERCENTILE_TOLERANCE = 0.05;
const PERCENTILE_LOAD = 0.8;
/** Below this, a reference of zero is met. */
const ABSOLUTE_TOLERANCE = 0.0005;

/** Judges one row: means within max(3 CI, 1.5 %), percentiles within 5 % at loads up to 0.8 and shown above that. */
export function judge(row: ReferenceRow, measured: { readonly value: number; readonly halfWidth: number } | undefined): ReferenceVerdict {
  if (measured === undefined) {
    return {
      row,
      verdict: 'unsupported',
      measured: Number.NaN,
      halfWidth: 0,
      deviation: Number.NaN,
      tolerance: 0,
      note: `the lab has no metric "${row.metric}"`,
    };
  }
  const scale = Math.abs(row.value);
  const difference = Math.abs(measured.value - row.value);
  const deviation = scale === 0 ? difference : difference / scale;
  const intervals = scale === 0 ? 3 * measured.halfWidth : (3 * measured.halfWidth) / scale;
  const isPercentile = /^p\d+_/.test(row.metric);
  const tolerance = scale === 0 ? Math.max(ABSOLUTE_TOLERANCE, intervals) : isPercentile ? PERCENTILE_TOLERANCE : Math.max(intervals, MEAN_TOLERANCE);
  const isInside = deviation <= tolerance || difference <= ABSOLUTE_TOLERANCE * Math.max(1e-9, scale);
  const note = isPercentile && row.rho > PERCENTILE_LOAD + 1e-9 ? 'percentile above load 0.8' : '';
  const verdict = isInside ? 'pass' : note === '' ? 'fail' : 'shown';
  return { row, verdict, measured: measured.value, halfWidth: measured.halfWidth, deviation, tolerance, note };
}

/** Whether a row counts among the means, which have the stricter rule. */
export function isMeanRow(row: ReferenceRow): boolean {
  return !/^(p\d+|var)_/.test(row.metric);
}
