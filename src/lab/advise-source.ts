import { Heap } from '#base/heap';
import type { Predictor } from '#policy/queue/predictors';
import type { Micros } from '#policy/queue/queue-policy';
import type { ReplayTable } from './advise-table.ts';
import type { Outage } from './event-log-jobs.ts';
import type { JobRecord, JobSource } from './job-source.ts';
import { UNIT } from './job-source.ts';
import type { Law } from './laws.ts';

interface OutageTimer {
  readonly at: Micros;
  readonly order: number;
  readonly worker: number;
  readonly outage: number;
  readonly isUp: boolean;
}

interface Coming {
  readonly at: Micros;
  readonly index: number;
}

/**
 * The jobs of a recorded workload. Open: each arrives when it was recorded. Closed: a tenant's job that was recorded after the end of the
 * tenant's job before it arrives as long after that end as it did then, because whoever waits for an answer asks later when it is late.
 */
export class ReplaySource implements JobSource {
  readonly #table: ReplayTable;
  readonly #predictor: Predictor | undefined;
  readonly #isClosed: boolean;
  readonly #coming = new Heap<Coming>((a, b) => a.at < b.at || (a.at === b.at && a.index < b.index));
  /** By job: the next of its tenant, or -1. */
  readonly #next: Int32Array;
  readonly #estimates: Float64Array;
  /** The order in which jobs were submitted: the host numbers them so. */
  readonly #submitted: number[] = [];
  #patience: Micros = Number.POSITIVE_INFINITY;
  nextAt: Micros;

  constructor(table: ReplayTable, options: { readonly predictor: Predictor | undefined; readonly isClosed: boolean }) {
    this.#table = table;
    this.#predictor = options.predictor;
    this.#isClosed = options.isClosed;
    this.#next = new Int32Array(options.isClosed ? table.jobs : 0).fill(-1);
    this.#estimates = new Float64Array(table.jobs);
    const last = new Map<number, number>();
    for (let index = 0; index < table.jobs; index += 1) {
      const before = last.get(table.tenant[index] as number);
      last.set(table.tenant[index] as number, index);
      if (options.isClosed && before !== undefined) this.#next[before] = index;
      else this.#coming.push({ at: table.at[index] as number, index });
    }
    this.nextAt = this.#coming.peek()?.at ?? Number.POSITIVE_INFINITY;
  }

  /** How long the job that arrives now waits before it is cancelled, as a law in units: one draw per arrival. */
  get patience(): Law {
    return { name: 'recorded', mean: 0, secondMoment: 0, sample: () => this.#patience / UNIT };
  }

  /** The job with this number of submission. */
  indexOf(seq: number): number {
    return this.#submitted[seq] as number;
  }

  /** What was predicted for the job when it arrived. */
  estimateOf(index: number): Micros {
    return this.#estimates[index] as number;
  }

  take(record: JobRecord): void {
    const coming = this.#coming.pop();
    if (coming === undefined) return;
    const { index, at } = coming;
    const table = this.#table;
    this.#submitted.push(index);
    const declared = table.estimate[index] as number;
    const estimate = this.#predictor === undefined ? declared : this.#predictor.predict(table.kind[index] as number);
    this.#estimates[index] = estimate;
    record.at = at;
    record.size = table.size[index] as number;
    record.estimate = estimate;
    record.weight = table.weight[index] as number;
    record.priority = table.priority[index] as number;
    record.width = table.width[index] as number;
    record.deadline = at + (table.due[index] as number);
    record.kind = table.tenant[index] as number;
    record.tenant = table.tenants[record.kind] ?? 'all';
    this.#patience = table.patience[index] as number;
    const next = this.#next[index] ?? -1;
    if (this.#isClosed && next >= 0 && !this.#waitsForEnd(index, next)) {
      this.#coming.push({ at: at + (table.at[next] as number) - (table.at[index] as number), index: next });
    }
    this.nextAt = this.#coming.peek()?.at ?? Number.POSITIVE_INFINITY;
  }

  /** The host finished the job with this number of submission. */
  finished(seq: number, now: Micros): void {
    const index = this.indexOf(seq);
    const table = this.#table;
    this.#predictor?.learn(table.kind[index] as number, table.size[index] as number);
    const next = this.#next[index] ?? -1;
    if (!this.#isClosed || next < 0 || !this.#waitsForEnd(index, next)) return;
    const think = (table.at[next] as number) - (table.at[index] as number) - (table.stay[index] as number);
    this.#coming.push({ at: now + think, index: next });
    this.nextAt = this.#coming.peek()?.at ?? Number.POSITIVE_INFINITY;
  }

  /** A job that may be cancelled in the replay has no certain end, so that nobody waits for it. */
  #waitsForEnd(index: number, next: number): boolean {
    const table = this.#table;
    const gap = (table.at[next] as number) - (table.at[index] as number);
    return table.patience[index] === Number.POSITIVE_INFINITY && gap >= (table.stay[index] as number);
  }
}

/**
 * Recorded outages in the form the simulator takes failures in: laws that are drawn from once per worker at the start and then at each
 * change. The draws come in the order in which the host fires its timers, by moment and then by age, which is followed here.
 */
export function outageLaws(outages: readonly Outage[], workers: number): { readonly up: Law; readonly down: Law; readonly progress: 'lost' } {
  const byWorker = Array.from({ length: workers }, (_, worker) => outages.filter((one) => one.worker === worker && one.to > one.from));
  const timers = new Heap<OutageTimer>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order));
  const ups: Micros[] = [];
  const downs: Micros[] = [];
  let order = 0;
  const add = (timer: Omit<OutageTimer, 'order'>): void => {
    order += 1;
    timers.push({ ...timer, order });
  };
  const plan = (worker: number, outage: number, now: Micros): void => {
    const from = byWorker[worker]?.[outage]?.from ?? Number.POSITIVE_INFINITY;
    ups.push(from - now);
    add({ at: from, worker, outage, isUp: false });
  };
  for (let worker = 0; worker < workers; worker += 1) plan(worker, 0, 0);
  for (let timer = timers.pop(); timer !== undefined && timer.at < Number.POSITIVE_INFINITY; timer = timers.pop()) {
    const { worker, outage, at, isUp } = timer;
    if (isUp) plan(worker, outage + 1, at);
    else {
      const to = byWorker[worker]?.[outage]?.to ?? Number.POSITIVE_INFINITY;
      downs.push(to - at);
      add({ at: to, worker, outage, isUp: true });
    }
  }
  const script = (moments: readonly Micros[]): Law => {
    let index = -1;
    return {
      name: 'recorded',
      mean: 0,
      secondMoment: 0,
      sample: () => {
        index += 1;
        return (moments[index] ?? Number.POSITIVE_INFINITY) / UNIT;
      },
    };
  };
  return { up: script(ups), down: script(downs), progress: 'lost' };
}
