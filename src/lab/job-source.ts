import type { Micros } from '#policy/queue/queue-policy';
import type { Law } from './laws.ts';
import { RandomStream, StratifiedStream } from './random-stream.ts';

/** What one arriving job is. Sources fill the same object again and again. */
export class JobRecord {
  at: Micros = Number.POSITIVE_INFINITY;
  size: Micros = 0;
  estimate: Micros = 0;
  priority = 0;
  weight = 1;
  tenant = 'all';
  kind = 0;
  width = 1;
  deadline: Micros = Number.POSITIVE_INFINITY;
  label = '';
  /** What predictors go by: jobs of one number are alike to them. */
  group = 0;
  demand: readonly number[] | undefined = undefined;
}

/** Where jobs come from, in order of arrival. */
export interface JobSource {
  /** When the next job arrives; Infinity when no more will. */
  readonly nextAt: Micros;
  /** Fills `record` with the job that arrives at `nextAt`, and moves on. */
  take(record: JobRecord): void;
  /** Tells a closed source that a job left the system, so that its customer thinks and returns. */
  onLeave?(now: Micros): void;
}

/** The length of one unit of a law's parameters: laws speak in seconds, the simulator in microseconds. */
export const UNIT: Micros = 1_000_000;

/** How an estimate is made from the true size. */
export type Estimator = (size: Micros, random: RandomStream) => Micros;

/** Strata of one law, four bytes each: longer runs go through them several times. */
const MOST_STRATA = 32_000_000;

/** One class of an open workload. */
export interface JobClass {
  readonly tenant: string;
  readonly weight: number;
  readonly priority: number;
  readonly interarrival: Law;
  readonly size: Law;
}

/** Open arrivals of one or more independent classes: gaps from one law, sizes from another, each with its own stream of luck. */
export class OpenSource implements JobSource {
  readonly #classes: readonly { readonly of: JobClass; readonly gap: () => number; readonly size: () => number }[];
  /** The next arrival of each class, not rounded, so that rounding to microseconds does not add up. */
  readonly #arrivals: number[];
  readonly #estimate: Estimator | undefined;
  readonly #estimates: RandomStream;
  #kind = 0;
  #left: number;
  nextAt: Micros = Number.POSITIVE_INFINITY;

  constructor(
    classes: readonly JobClass[],
    options: { readonly jobs: number; readonly seed: number; readonly estimate?: Estimator; readonly isStratified?: boolean },
  ) {
    this.#classes = classes.map((of, index) => {
      const draw = (law: Law, name: string): (() => number) => {
        const random = new RandomStream(options.seed, `${name}-${index}`);
        const { fromUniform } = law;
        if (options.isStratified !== true || fromUniform === undefined) return () => law.sample(random);
        const stratified = new StratifiedStream(random, Math.min(options.jobs, MOST_STRATA));
        return () => fromUniform(stratified.next());
      };
      return { of, gap: draw(of.interarrival, 'gaps'), size: draw(of.size, 'sizes') };
    });
    this.#arrivals = this.#classes.map((one) => one.gap() * UNIT);
    this.#estimate = options.estimate;
    this.#estimates = new RandomStream(options.seed, 'estimates');
    this.#left = options.jobs;
    this.#advance();
  }

  take(record: JobRecord): void {
    const kind = this.#kind;
    const chosen = this.#classes[kind];
    if (chosen === undefined) return;
    record.at = this.nextAt;
    const size = Math.max(1, Math.round(chosen.size() * UNIT));
    record.size = size;
    record.estimate = this.#estimate === undefined ? size : this.#estimate(size, this.#estimates);
    record.kind = kind;
    record.group = kind;
    record.tenant = chosen.of.tenant;
    record.weight = chosen.of.weight;
    record.priority = chosen.of.priority;
    this.#left -= 1;
    this.#arrivals[kind] = (this.#arrivals[kind] as number) + chosen.gap() * UNIT;
    this.#advance();
  }

  #advance(): void {
    const arrivals = this.#arrivals;
    let kind = 0;
    for (let other = 1; other < arrivals.length; other += 1) if ((arrivals[other] as number) < (arrivals[kind] as number)) kind = other;
    this.#kind = kind;
    this.nextAt = this.#left > 0 ? Math.round(arrivals[kind] as number) : Number.POSITIVE_INFINITY;
  }
}

/** One job of a listed workload; times in microseconds. */
export interface ListedJob {
  readonly at: Micros;
  readonly size: Micros;
  readonly estimate?: Micros;
  readonly priority?: number;
  readonly weight?: number;
  readonly tenant?: string;
  readonly width?: number;
  readonly deadline?: Micros;
  readonly label?: string;
  readonly handler?: string;
  readonly demand?: readonly number[];
}

/** Listed jobs, which must be sorted by arrival; equal arrivals keep the order of the list. */
export class ListSource implements JobSource {
  readonly #jobs: readonly ListedJob[];
  readonly #kinds = new Map<string, number>();
  #index = 0;
  nextAt: Micros;

  constructor(jobs: readonly ListedJob[]) {
    this.#jobs = jobs;
    this.nextAt = jobs[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  take(record: JobRecord): void {
    const job = this.#jobs[this.#index];
    if (job === undefined) return;
    this.#index += 1;
    this.nextAt = this.#jobs[this.#index]?.at ?? Number.POSITIVE_INFINITY;
    record.at = job.at;
    record.size = job.size;
    record.estimate = job.estimate ?? job.size;
    record.priority = job.priority ?? 0;
    record.weight = job.weight ?? 1;
    record.tenant = job.tenant ?? 'all';
    record.width = job.width ?? 1;
    record.deadline = job.deadline ?? Number.POSITIVE_INFINITY;
    record.label = job.label ?? '';
    record.demand = job.demand;
    record.kind = this.#kinds.get(record.tenant) ?? this.#kinds.size;
    if (record.kind === this.#kinds.size) this.#kinds.set(record.tenant, record.kind);
    record.group = record.kind;
  }
}

/** A fixed number of customers, each of whom thinks, submits a job, waits until it leaves, and thinks again. */
export class ClosedSource implements JobSource {
  readonly #think: Law;
  readonly #size: Law;
  readonly #thinks: RandomStream;
  readonly #sizes: RandomStream;
  /** Moments of the next submissions, sorted, earliest last. */
  readonly #returns: number[] = [];
  #left: number;
  nextAt: Micros = Number.POSITIVE_INFINITY;

  constructor(options: { readonly customers: number; readonly think: Law; readonly size: Law; readonly jobs: number; readonly seed: number }) {
    this.#think = options.think;
    this.#size = options.size;
    this.#thinks = new RandomStream(options.seed, 'thinks');
    this.#sizes = new RandomStream(options.seed, 'sizes');
    this.#left = options.jobs;
    for (let customer = 0; customer < options.customers; customer += 1) this.onLeave(0);
  }

  take(record: JobRecord): void {
    const at = this.#returns.pop();
    if (at === undefined) return;
    this.#left -= 1;
    record.at = at;
    record.size = Math.max(1, Math.round(this.#size.sample(this.#sizes) * UNIT));
    record.estimate = record.size;
    this.#advance();
  }

  onLeave(now: Micros): void {
    const at = now + Math.round(this.#think.sample(this.#thinks) * UNIT);
    let index = this.#returns.length;
    this.#returns.push(at);
    while (index > 0 && (this.#returns[index - 1] as number) < at) {
      this.#returns[index] = this.#returns[index - 1] as number;
      index -= 1;
    }
    this.#returns[index] = at;
    this.#advance();
  }

  #advance(): void {
    this.nextAt = this.#left > 0 ? (this.#returns.at(-1) ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  }
}
