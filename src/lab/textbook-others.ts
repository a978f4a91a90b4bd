import { fillMaglev } from '#policy/balance/consistent-hash';
import { pickSmoothWeighted } from '#policy/balance/smooth-weighted';
import { exponentialFitScore, exponentialSpreadScore } from '#policy/placement/best-fit';
import { makeQueuePolicy } from '#policy/queue/policies';
import type { Micros } from '#policy/queue/queue-policy';
import { jainIndex } from './fairness.ts';
import type { ListedJob } from './job-source.ts';
import { ListSource, UNIT } from './job-source.ts';
import { JobSimulation } from './simulator.ts';
import { agrees } from './textbook.ts';

/** A textbook case of another kind than one processor: DRF, stride, makespan, fairness, deadlines … */
export interface OtherCase {
  readonly id: string;
  readonly kind: string;
  readonly published?: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

type Numbers = Readonly<Record<string, number>>;

/** Differences between the lab and the published answer; undefined for a kind the lab does not know. */
export function differencesOfOther(one: OtherCase): readonly string[] | undefined {
  switch (one.kind) {
    case 'drf':
      return compare(dominantResourceFairness(one), one.published);
    case 'stride':
      return compare(strideOrder(one), one.published);
    case 'smooth-wrr':
      return compare({ order: smoothRoundRobin(one['weights'] as Numbers, lengthOfOrder(one)) }, one.published);
    case 'maglev':
      return maglevTables(one);
    case 'makespan':
      return compare(makespans(one), one.published);
    case 'score':
      return compare(binPackScores(), one.published);
    case 'fairness':
      return (one['cases'] as readonly { x: readonly number[]; j: number }[]).flatMap(({ x, j }) =>
        agrees(jainIndex(x), j) ? [] : [`Jain index of ${x.join(', ')}: ${j}, but the lab gives ${jainIndex(x)}`],
      );
    case 'realtime':
      return realTime(one['cases'] as readonly RealTimeCase[]);
    default:
      return undefined;
  }
}

function compare(ours: Readonly<Record<string, unknown>>, published: Readonly<Record<string, unknown>> | undefined): readonly string[] {
  const differences: string[] = [];
  for (const [field, expected] of Object.entries(published ?? {})) {
    if (!agrees(ours[field], expected)) differences.push(`published ${field}: ${JSON.stringify(expected)}, but the lab gives ${JSON.stringify(ours[field])}`);
  }
  return differences;
}

function lengthOfOrder(one: OtherCase): number {
  return (one.published?.['order'] as readonly unknown[] | undefined)?.length ?? 0;
}

/** Users submit tasks without end; the order of the published schedule breaks the tie at the start, as the paper does. */
function dominantResourceFairness(one: OtherCase): Readonly<Record<string, unknown>> {
  const capacity = one['capacity'] as Numbers;
  const users = one['users'] as Readonly<Record<string, Numbers>>;
  const resources = Object.keys(capacity);
  const listed = [...new Set([...((one.published?.['schedule'] as readonly string[] | undefined) ?? []), ...Object.keys(users)])];
  const jobs: ListedJob[] = [];
  for (let round = 0; round < 64; round += 1) {
    for (const user of listed)
      jobs.push({ at: 0, size: UNIT, tenant: user, label: `${user}-${round}`, demand: resources.map((name) => users[user]?.[name] ?? 0) });
  }
  const amounts = resources.map((name) => capacity[name] as number);
  const simulation = new JobSimulation({
    policy: makeQueuePolicy('drf'),
    source: new ListSource(jobs),
    workers: jobs.length,
    resources: amounts,
    pooled: true,
    jobs: jobs.length,
    seed: 1,
  }).simulate(1);
  const started = [...simulation.running].sort((a, b) => a.startOrder - b.startOrder);
  const tasks: Record<string, number> = Object.fromEntries(Object.keys(users).map((user) => [user, 0]));
  for (const task of started) tasks[task.tenant] = (tasks[task.tenant] ?? 0) + 1;
  const shares = Object.entries(users).map(([user, demand]) => [
    user,
    Math.max(...resources.map((name, index) => ((tasks[user] ?? 0) * (demand[name] ?? 0)) / (amounts[index] as number))),
  ]);
  return { tasks, dominant_share: Object.fromEntries(shares), schedule: started.map((task) => task.tenant) };
}

function strideOrder(one: OtherCase): Readonly<Record<string, unknown>> {
  const tickets = one['tickets'] as Numbers;
  const turns = lengthOfOrder(one);
  const order: string[] = [];
  const jobs = Object.entries(tickets).map(([tenant, weight]) => ({ at: 0, size: 1_000 * UNIT, tenant, weight, label: tenant }));
  new JobSimulation({
    policy: makeQueuePolicy('stride?quantum=1s'),
    source: new ListSource(jobs),
    workers: 1,
    jobs: jobs.length,
    seed: 1,
    observer: { slice: (task) => void order.push(task.id) },
  }).simulate((turns + 1) * UNIT);
  const big = one['big'];
  const strides = typeof big === 'number' ? Object.fromEntries(Object.entries(tickets).map(([tenant, weight]) => [tenant, big / weight])) : undefined;
  return { order: order.slice(0, turns), strides };
}

/** The gateway's own round robin, which is nginx's: everyone gains its weight, the richest serves and pays the total. */
function smoothRoundRobin(weights: Numbers, turns: number): readonly string[] {
  const candidates = Object.entries(weights).map(([name, weight]) => ({ name, weight, currentWeight: 0, effectiveWeight: weight }));
  return Array.from({ length: turns }, () => pickSmoothWeighted(candidates, undefined)?.name ?? '');
}

interface Permutation {
  readonly offset: number;
  readonly skip: number;
}

/**
 * Lookup tables of Maglev by the gateway's own filling. Backends are given by offset and skip, or by their permutation of the slots. A published list is the table
 * of all of them, or, where its name says so, of those that remain without `removed` (or the backend that ends its name).
 */
function maglevTables(one: OtherCase): readonly string[] {
  const listed = (one['backends'] ?? one['permutations'] ?? one['permutation'] ?? {}) as Readonly<Record<string, unknown>>;
  const size = Number(one['M'] ?? one['size'] ?? one['table_size'] ?? Object.values(listed).find(Array.isArray)?.length);
  const permutations = new Map(Object.entries(listed).map(([name, value]) => [name, permutationOf(value, size)]));
  const tableOf = (names: readonly string[]): readonly string[] => {
    const owners = fillMaglev(
      names.map((name) => permutations.get(name) as Permutation),
      size,
    );
    return [...owners].map((owner) => names[owner] ?? '');
  };
  const names = [...permutations.keys()];
  return Object.entries(one.published ?? {}).flatMap(([field, expected]) => {
    const removed = /without|remov|after/i.test(field)
      ? String(one['removed'] ?? names.find((name) => field.toLowerCase().endsWith(name.toLowerCase())) ?? '')
      : '';
    const ours = tableOf(names.filter((name) => name !== removed));
    return compare({ [field]: ours }, { [field]: expected });
  });
}

function permutationOf(value: unknown, size: number): Permutation {
  if (Array.isArray(value)) {
    const [first = 0, second = 1] = value as readonly number[];
    // Two numbers are offset and skip; more are the slots in order.
    return value.length === 2 ? { offset: first, skip: second } : { offset: first, skip: (second - first + size) % size };
  }
  return value as Permutation;
}

function makespans(one: OtherCase): Readonly<Record<string, unknown>> {
  const machines = one['machines'] as number;
  const inOrder = (one['jobs_in_order'] ?? one['jobs']) as readonly number[];
  const longestFirst = [...inOrder].sort((a, b) => b - a);
  return { list: listSchedule(inOrder, machines), lpt: listSchedule(longestFirst, machines), opt: bestMakespan(longestFirst, machines) };
}

function listSchedule(jobs: readonly number[], machines: number): number {
  const source = new ListSource(jobs.map((size) => ({ at: 0, size: Math.round(size * UNIT) })));
  return new JobSimulation({ policy: makeQueuePolicy('fifo'), source, workers: machines, jobs: jobs.length, seed: 1 }).simulate().lastDeparture / UNIT;
}

/** Exhaustive search, for a handful of jobs: each goes to every machine with a different load. */
function bestMakespan(jobs: readonly number[], machines: number): number {
  let best = Number.POSITIVE_INFINITY;
  const loads = new Array<number>(machines).fill(0);
  const place = (index: number): void => {
    const job = jobs[index];
    if (job === undefined) {
      best = Math.min(best, Math.max(...loads));
      return;
    }
    for (const machine of loads.keys()) {
      const load = loads[machine] as number;
      if (loads.indexOf(load) !== machine || load + job >= best) continue;
      loads[machine] = load + job;
      place(index + 1);
      loads[machine] = load;
    }
  };
  place(0);
  return best;
}

/** Nomad's score of a node by what would be free: 20 - (10^cpu + 10^memory), within 0 … 18; spread is its mirror. */
function binPackScores(): Readonly<Record<string, unknown>> {
  return {
    full: exponentialFitScore([0, 0]),
    empty: exponentialFitScore([1, 1]),
    half: exponentialFitScore([0.5, 0.5]),
    spread_half: exponentialSpreadScore([0.5, 0.5]),
    spread_full: exponentialSpreadScore([0, 0]),
    spread_empty: exponentialSpreadScore([1, 1]),
  };
}

interface RealTimeCase {
  readonly tasks: readonly { readonly p: number; readonly t: number }[];
  readonly rm?: boolean;
  readonly edf?: boolean;
  readonly util?: number;
}

function realTime(cases: readonly RealTimeCase[]): readonly string[] {
  return cases.flatMap((one) => {
    const utilisation = one.tasks.reduce((sum, { p, t }) => sum + t / p, 0);
    const ours = { util: utilisation, rm: meetsDeadlines(one.tasks, 'priority?preempt=yes'), edf: meetsDeadlines(one.tasks, 'edf') };
    const { tasks: _, ...expected } = one;
    return compare(ours, expected);
  });
}

/** Releases every task at each of its periods up to the hyperperiod; the deadline is the next release. Rate-monotonic priority is the period. */
function meetsDeadlines(tasks: readonly { readonly p: number; readonly t: number }[], policy: string): boolean {
  const hyperperiod = tasks.reduce((least, { p }) => (least / divisor(least, p)) * p, 1);
  const jobs: ListedJob[] = [];
  for (const { p, t } of tasks) {
    for (let at = 0; at < hyperperiod; at += p) jobs.push({ at: at * UNIT, size: t * UNIT, priority: p, deadline: (at + p) * UNIT });
  }
  jobs.sort((a, b) => a.at - b.at);
  let isMet = true;
  const finished = (task: { readonly deadline: Micros }, now: Micros): void => {
    if (now > task.deadline) isMet = false;
  };
  new JobSimulation({
    policy: makeQueuePolicy(policy),
    source: new ListSource(jobs),
    workers: 1,
    jobs: jobs.length,
    seed: 1,
    observer: { finished },
  }).simulate();
  return isMet;
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}
