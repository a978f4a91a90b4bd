import { PlatformError } from '#base/errors';
import { POLICIES } from '#policy/queue/policies';
import { parseLaw } from './laws.ts';
import type { ReferenceRow } from './reference-check.ts';
import type { Scenario, ScenarioClass } from './scenario.ts';

/** The scenario a row of a reference file describes. UNSUPPORTED when nothing in the lab stands for its policy or law, INVALID when its parameters do not make sense. */
export function scenarioOfRow(row: ReferenceRow, options: { readonly jobs: number; readonly seed: number }): Scenario {
  const fields = paramsOf(row.params);
  const name = row.policy.toLowerCase();
  const dispatch = dispatchOf(name);
  const isClosed = /closed|mva|machine.repair|interactive/.test(name) || (dispatch === undefined && (fields['n'] ?? fields['customers']) !== undefined);
  const workers = dispatch?.dispatch === 'fork-join' ? partsOf(row, fields) : workersOf(row, fields);
  // A closed loop has no arrival rate: its customers' think time is the gap.
  const classes = isClosed ? [{ ...ONE_CLASS, gaps: 'exp', sizes: sizesOf(row, fields) }] : classesOf(row, fields, workers);
  const jobs = options.jobs * Math.max(stretchOf(row), isClosed || dispatch !== undefined ? 1 : memoryStretch({ row, classes, workers, jobs: options.jobs }));
  const base: Scenario = { classes, workers, jobs, warmup: Math.floor(jobs / (isLimit(row) ? 4 : 10)), seed: options.seed, policy: 'fifo', isStratified: true };
  if (isClosed) return { ...base, closed: closedOf(row, fields) };
  if (dispatch !== undefined) return { ...base, ...dispatch };
  return { ...base, ...settingOf(row, { name, fields, workers }) };
}

/** Whether the row is a limit for infinitely many servers. */
export function isLimit(row: ReferenceRow): boolean {
  return /inf\b|mean field/.test(row.params);
}

type Fields = Readonly<Record<string, string>>;

const ONE_CLASS = { tenant: 'all', weight: 1, priority: 0 } as const;

/** The policy of one queue, and what is special about the queue. */
function settingOf(
  row: ReferenceRow,
  { name, fields, workers }: { readonly name: string; readonly fields: Fields; readonly workers: number },
): Partial<Scenario> {
  const setup = /setup\s*\(([\w-]+)[\s,;]+mean=([\d.]+)/.exec(name);
  if (setup) return { setup: lawOf(setup[1] ?? '', { mean: setup[2] ?? '1' }) };
  const turns = /^(?:rr|round-robin)\s*\(q=([\d.]+)(?:[,;]\s*overhead=([\d.]+)([^)]*))?/.exec(name);
  if (turns) {
    const switchMode = /change/.test(turns[3] ?? '') ? ('on-change' as const) : ('every-slice' as const);
    return { policy: `time-slice?quantum=${micros(turns[1])}`, switchCost: Math.round(Number(turns[2] ?? 0) * 1e6), switchMode };
  }
  const feedback = /^(?:mlfq|feedback)\s*\((?:allotments|thresholds)?\s*([^)]*)\)/.exec(name);
  if (feedback) return { policy: `mlfq?allotments=${allotmentsOf(feedback[1] ?? '', parseLaw(sizesOf(row, fields)).mean)}` };
  if (/timeout|erlang-a|abandon|reneg|impatien/.test(name)) return { patience: patienceOf(row) };
  const capacity = Number.parseInt(fields['k'] ?? '', 10);
  if (/^loss|bounded|finite|buffer/.test(name)) return { capacity: Number.isNaN(capacity) ? workers : capacity };
  const policy = policyOf(row, name);
  if (policy === undefined) throw new PlatformError('UNSUPPORTED', `the lab has no policy for "${row.policy}"`);
  if (SHARED.has(policy) && workers !== 1) throw new PlatformError('UNSUPPORTED', `the lab shares one worker exactly, not ${workers}`);
  return { policy, ...(/predict/.test(name) || /predict/.test(row.params) ? { estimates: { model: 'exp' as const } } : {}) };
}

const SHARED: ReadonlySet<string> = new Set(['ps', 'dps', 'las']);

function policyOf(row: ReferenceRow, name: string): string | undefined {
  if (/^(fcfs|fifo)/.test(name)) return 'fifo';
  if (/^random-np|siro|random.order/.test(name)) return 'random-order';
  if (/^(ps|egalitarian|processor.sharing)\b/.test(name)) return 'ps';
  if (/^(lcfs|lifo)-(pr|preempt)/.test(name)) return 'lifo-preemptive';
  if (/^(lcfs|lifo)/.test(name)) return 'lifo';
  if (/^(fb|las|foreground|least.attained)\b/.test(name)) return 'las';
  if (/^(sjf|spn|spt|spjf)\b/.test(name)) return 'sjf';
  if (/^(psjf|pspjf)\b/.test(name)) return 'psjf';
  if (/^(srpt|srtf|sprpt)\b/.test(name)) return 'srpt';
  if (/^weighted-fair|^dps|discriminatory/.test(name)) return 'dps';
  if (/^(priority|prio|cobham)/.test(name)) return /non-?preempt|-np\b/.test(name) || !/pre/.test(name) ? 'priority' : 'priority?preempt=yes';
  if (/^any size-blind/.test(name)) return 'priority';
  const own = row.policy.split('?')[0] ?? '';
  return Object.hasOwn(POLICIES, own) ? row.policy : undefined;
}

function dispatchOf(name: string): Pick<Scenario, 'dispatch' | 'copies'> | undefined {
  const redundancy = /redundancy.?d\s*=\s*(\d+)/.exec(name);
  if (redundancy) return { dispatch: 'redundancy', copies: Number(redundancy[1]) };
  if (/fork/.test(name)) return { dispatch: 'fork-join' };
  const power = /power-of-(\d+|two|three)/.exec(name) ?? /\bp(\d)c\b/.exec(name) ?? /\bjsq\((\d+)\)/.exec(name);
  if (power) return { dispatch: `p2c?choices=${power[1] === 'two' ? 2 : power[1] === 'three' ? 3 : power[1]}` };
  if (/^lb-(round.robin|rr)\b/.test(name)) return { dispatch: 'round-robin' };
  if (/^lb-random/.test(name)) return { dispatch: 'random' };
  if (/jsq|shortest queue|least[- ]conn/.test(name)) return { dispatch: 'least-connections' };
  if (/lwl|least[- ]work/.test(name)) return { dispatch: 'least-work-left' };
  if (/join.idle|jiq/.test(name)) return { dispatch: 'join-idle-queue' };
  return undefined;
}

/** `mean=1;lambda=0.3;c=1` by lower-case key; the last wins. */
function paramsOf(params: string): Fields {
  const fields: Record<string, string> = {};
  for (const match of params.matchAll(/([A-Za-z0-9]+)\s*=\s*([^;\s]+)/g)) fields[(match[1] ?? '').toLowerCase()] = match[2] ?? '';
  return fields;
}

/** Load above which a limit for many servers needs more of them, and longer to settle. */
const CROWDED = 0.95;
/** Load from which a queue of few servers remembers so long that runs are stretched, too: the memory grows with (1 - load)^-2. */
const NEARLY_FULL = 0.975;

/** Many servers get few jobs each, and full ones forget slowly: such a run is this many times longer. */
function stretchOf(row: ReferenceRow): number {
  if (isLimit(row)) return row.rho > CROWDED ? 16 : 8;
  return row.rho >= NEARLY_FULL && row.rho < 1 && !/^loss|bounded|timeout/i.test(row.policy) ? 4 : 1;
}

/** A run lasts so many times as long as what its queue remembers, … */
const MEMORIES = 100;
/** … but at most so many times the usual. */
const MOST_STRETCH = 32;

/**
 * How many times longer a run of one worker has to be, so that it does not begin and end with what it has not forgotten: the work that waits moves like a diffusion
 * with drift 1 - rho and variance lambda E[S²] per unit of time, which forgets within lambda E[S²] / (1 - rho)² (Asmussen, Applied Probability and Queues, X).
 */
function memoryStretch({ row, classes, workers, jobs }: { row: ReferenceRow; classes: readonly ScenarioClass[]; workers: number; jobs: number }): number {
  const [only] = classes;
  if (only === undefined || classes.length > 1 || workers !== 1 || row.rho >= 1) return 1;
  const rate = 1 / parseLaw(only.gaps).mean;
  const memoryJobs = (rate * rate * parseLaw(only.sizes).secondMoment) / (1 - row.rho) ** 2;
  return Math.min(MOST_STRETCH, Math.max(1, Math.ceil((MEMORIES * memoryJobs) / jobs)));
}

function workersOf(row: ReferenceRow, fields: Fields): number {
  const stated = Number.parseInt(fields['c'] ?? fields['servers'] ?? '', 10);
  if (Number.isInteger(stated) && stated > 0) return stated;
  // Limits for many servers: enough of them that doubling changes less than the tolerance.
  if (isLimit(row)) return /round-robin/.test(row.policy) ? 200 : row.rho > CROWDED ? 4_000 : 1_000;
  return /any/.test(fields['c'] ?? '') ? 10 : 1;
}

function partsOf(row: ReferenceRow, fields: Fields): number {
  return Number(/n\s*=\s*(\d+)/.exec(row.policy)?.[1] ?? Number.parseInt(fields['n'] ?? fields['c'] ?? '2', 10));
}

function classesOf(row: ReferenceRow, fields: Fields, workers: number): readonly ScenarioClass[] {
  const listed = [...row.params.matchAll(/class\s*\d+\s*(?:\([^)]*\))?[\s:]*lambda=([\d.e-]+)[\s,]+mean=([\d.e-]+)([^;]*)/g)];
  if (listed.length > 0) {
    const weights = (/weights ([\d.:]+)/.exec(row.policy)?.[1] ?? '').split(':').map(Number);
    return listed.map((match, index) => ({
      tenant: `class${index + 1}`,
      weight: weights[index] || 1,
      priority: index,
      gaps: `exp?mean=${plain(1 / Number(match[1]))}`,
      sizes: lawOf(row.distribution, { ...fields, ...paramsOf(match[3] ?? ''), mean: match[2] ?? '1' }),
    }));
  }
  const sizes = sizesOf(row, fields);
  const stated = Number(/lambda=([\d.e-]+)/.exec(row.params)?.[1]);
  const perServer = /lambda=[\d.e-]+\s*\*\s*c/.test(row.params);
  const rate = Number.isFinite(stated) ? stated * (perServer ? workers : 1) : (row.rho * workers) / parseLaw(sizes).mean;
  if (!(rate > 0)) throw new PlatformError('INVALID', `there is no arrival rate in "${row.params}"`);
  return [{ ...ONE_CLASS, gaps: `exp?mean=${plain(1 / rate)}`, sizes }];
}

function sizesOf(row: ReferenceRow, fields: Fields): string {
  const range = /(?:^|[\s;=(])([\d.]+?)\.\.([\d.]+)/.exec(row.params);
  return lawOf(row.distribution, range ? { ...fields, low: range[1] ?? '0', high: range[2] ?? '2' } : fields);
}

/** The law that a name of the reference file and its parameters stand for. */
function lawOf(distribution: string, fields: Fields): string {
  const mean = fields['mean'] ?? '1';
  switch (distribution.toLowerCase()) {
    case 'exp':
    case 'exp|any':
    case 'any':
    case 'exponential':
      return `exp?mean=${mean}`;
    case 'det':
    case 'deterministic':
    case 'constant':
      return `det?mean=${fields['value'] ?? mean}`;
    case 'uniform':
      if (fields['low'] === undefined && fields['mean'] === undefined) throw new PlatformError('INVALID', 'there is no range such as 0..2 of the uniform law');
      return `uniform?low=${Number(fields['low'] ?? 0)}&high=${Number(fields['high'] ?? 2 * Number(mean))}`;
    case 'h2':
    case 'hyperexp':
    case 'hyperexponential':
      return `h2?mean=${mean}&scv=${fields['scv'] ?? '4'}`;
    case 'bpareto':
    case 'bounded-pareto':
      return `bpareto?low=${fields['l'] ?? 1}&high=${fields['h'] ?? 1_000}&alpha=${fields['alpha'] ?? 1.5}`;
    case 'weibull':
      return `weibull?shape=${fields['shape'] ?? fields['k'] ?? 0.5}&mean=${mean}`;
    case 'lognormal':
      return `lognormal?mean=${mean}&scv=${fields['scv'] ?? 4}`;
    default: {
      const stages = /^erlang-?(\d+)?$/.exec(distribution.toLowerCase());
      if (stages) return `erlang?k=${stages[1] ?? fields['k'] ?? fields['stages'] ?? 2}&mean=${mean}`;
      throw new PlatformError('UNSUPPORTED', `the lab has no law for "${distribution}"`);
    }
  }
}

function closedOf(row: ReferenceRow, fields: Fields): { readonly customers: number; readonly think: string } {
  const customers = Number.parseInt(fields['n'] ?? fields['customers'] ?? fields['users'] ?? '', 10);
  const text = /(?:\bZ|think(?:[- ]?time)?)\s*=\s*(?:exp|det)?\(?(?:mean[= ])?([\d.]+)/i.exec(row.params)?.[1];
  const think = text === undefined ? Number.NaN : Number(text);
  if (!(customers > 0 && think >= 0)) throw new PlatformError('INVALID', `there is no number of customers or think time in "${row.params}"`);
  return { customers, think: think === 0 ? 'det?mean=0.000001' : `exp?mean=${plain(think)}` };
}

function patienceOf(row: ReferenceRow): string {
  const rate = /patience=exp\(rate[= ]([\d.]+)\)/.exec(row.params)?.[1] ?? /theta=([\d.]+)/.exec(row.params)?.[1];
  const mean = /patience=exp\(mean[= ]([\d.]+)\)/.exec(row.params)?.[1];
  const fixed = /patience=det\(([\d.]+)\)/.exec(row.params)?.[1];
  if (fixed !== undefined) return `det?mean=${fixed}`;
  if (rate === undefined && mean === undefined) throw new PlatformError('INVALID', `there is no patience in "${row.params}"`);
  return `exp?mean=${plain(rate === undefined ? Number(mean) : 1 / Number(rate))}`;
}

/** `1m,3m,inf`: multiples of the mean size, each an allotment; `1,3` are plain durations. */
function allotmentsOf(text: string, mean: number): string {
  const listed = text.split(',').map((part) => part.trim());
  return listed
    .filter((part) => part !== 'inf')
    .map((part) => micros(String(Number.parseFloat(part) * (part.endsWith('m') ? mean : 1))))
    .join(',');
}

function micros(units: string | undefined): string {
  return `${Math.round(Number(units) * 1e6)}us`;
}

/** Without an exponent or more digits than matter. */
function plain(value: number): string {
  return value.toFixed(12).replace(/\.?0+$/, '');
}
