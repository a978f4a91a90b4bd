import { hashText, mixHashes } from '#policy/balance/key-hash';
import type { Micros } from '#policy/queue/queue-policy';
import type { Dispatcher } from './dispatchers.ts';
import type { JobSource } from './job-source.ts';
import { JobRecord, UNIT } from './job-source.ts';
import { JobStatistics } from './job-statistics.ts';
import type { Law } from './laws.ts';
import { RandomStream } from './random-stream.ts';
import { SimTask } from './sim-task.ts';
import { TimeHeap } from './time-heap.ts';

export interface DispatchOptions {
  readonly source: JobSource;
  readonly replicas: number;
  readonly jobs: number;
  readonly warmup?: number;
  readonly seed: number;
  readonly tau?: Micros;
}

/** Requests that are bound to a replica on arrival; each replica serves its own first come, first served. */
export function simulateDispatch(options: DispatchOptions & { readonly dispatcher: Dispatcher }): JobStatistics {
  const warmup = options.warmup ?? 0;
  const statistics = new JobStatistics(options.jobs - warmup, options.tau ?? 10 * UNIT);
  const replicas = { count: options.replicas, pending: new Int32Array(options.replicas), freeAt: new Float64Array(options.replicas) };
  const random = new RandomStream(options.seed, 'policy');
  const departures = new TimeHeap();
  const { answered } = options.dispatcher;
  /** Of the requests in each replica, in order: it answers first come, first served. */
  const arrivals: number[][] = answered === undefined ? [] : Array.from({ length: options.replicas }, () => []);
  const record = new JobRecord();
  const task = new SimTask();
  task.slices = 1;
  for (let index = 0; options.source.nextAt !== Number.POSITIVE_INFINITY; index += 1) {
    options.source.take(record);
    const now = record.at;
    // Completions of the same instant come before the arrival.
    while (departures.nextAt <= now) {
      const at = departures.nextAt;
      const replica = departures.pop();
      replicas.pending[replica] = (replicas.pending[replica] as number) - 1;
      if (answered !== undefined) answered(replica, at - (arrivals[replica]?.shift() ?? at), at);
    }
    const key = record.tenant === 'all' ? mixHashes(index, 0) : hashText(record.tenant);
    const replica = options.dispatcher.pick(replicas, now, random, key);
    if (answered !== undefined) arrivals[replica]?.push(now);
    const start = Math.max(now, replicas.freeAt[replica] as number);
    const end = start + record.size;
    replicas.freeAt[replica] = end;
    replicas.pending[replica] = (replicas.pending[replica] as number) + 1;
    departures.push(end, replica);
    // Service is first come, first served, so the departure is known on arrival.
    if (index >= warmup) {
      task.submitted = now;
      task.firstStart = start;
      task.size = record.size;
      task.kind = record.kind;
      task.tenant = record.tenant;
      statistics.record(task, end);
    }
  }
  return statistics;
}

/** Every request is split over all replicas and is done when the last part is (fork and join). Each part has its own size. */
export function simulateForkJoin(options: DispatchOptions & { readonly part: Law }): JobStatistics {
  const warmup = options.warmup ?? 0;
  const statistics = new JobStatistics(options.jobs - warmup, options.tau ?? 10 * UNIT);
  const sizes = new RandomStream(options.seed, 'parts');
  const freeAt = new Float64Array(options.replicas);
  const record = new JobRecord();
  const task = new SimTask();
  for (let index = 0; options.source.nextAt !== Number.POSITIVE_INFINITY; index += 1) {
    options.source.take(record);
    let end = 0;
    let first = Number.POSITIVE_INFINITY;
    let largest = 0;
    for (let replica = 0; replica < options.replicas; replica += 1) {
      const size = Math.max(1, Math.round(options.part.sample(sizes) * UNIT));
      const start = Math.max(record.at, freeAt[replica] as number);
      freeAt[replica] = start + size;
      end = Math.max(end, start + size);
      first = Math.min(first, start);
      largest = Math.max(largest, size);
    }
    if (index < warmup) continue;
    task.submitted = record.at;
    task.firstStart = first;
    task.size = largest;
    statistics.record(task, end);
  }
  return statistics;
}

interface Copies {
  readonly submitted: Micros;
  readonly isMeasured: boolean;
  readonly replicas: readonly number[];
  isDone: boolean;
}

/** Hedging: each request is sent to `copies` replicas at once, each draws its own size, and the first to finish cancels the others. */
export function simulateRedundancy(options: DispatchOptions & { readonly copies: number; readonly size: Law }): JobStatistics {
  const warmup = options.warmup ?? 0;
  const statistics = new JobStatistics(options.jobs - warmup, options.tau ?? 10 * UNIT);
  const random = new RandomStream(options.seed, 'policy');
  const sizes = new RandomStream(options.seed, 'copies');
  const queues: Copies[][] = Array.from({ length: options.replicas }, () => []);
  const heads = new Int32Array(options.replicas);
  const endAt = new Float64Array(options.replicas).fill(Number.POSITIVE_INFINITY);
  // Entries are (end, replica); one is stale when the replica's end has changed since.
  const ends = new TimeHeap();
  const record = new JobRecord();
  const task = new SimTask();
  const startNext = (replica: number, now: Micros): void => {
    const queue = queues[replica] as Copies[];
    let head = heads[replica] as number;
    while (head < queue.length && (queue[head] as Copies).isDone) head += 1;
    if (head > 64 && head * 2 > queue.length) {
      queue.splice(0, head);
      head = 0;
    }
    heads[replica] = head;
    endAt[replica] = head < queue.length ? now + Math.max(1, Math.round(options.size.sample(sizes) * UNIT)) : Number.POSITIVE_INFINITY;
    if (head < queue.length) ends.push(endAt[replica] as number, replica);
  };
  for (let index = 0; ; ) {
    const at = Math.min(options.source.nextAt, ends.nextAt);
    if (at === Number.POSITIVE_INFINITY) return statistics;
    if (ends.nextAt === at) {
      const replica = ends.pop();
      if (endAt[replica] !== at) continue;
      const copies = (queues[replica] as Copies[])[heads[replica] as number] as Copies;
      copies.isDone = true;
      if (copies.isMeasured) {
        task.submitted = copies.submitted;
        task.firstStart = copies.submitted;
        statistics.record(task, at);
      }
      for (const other of copies.replicas) if ((queues[other] as Copies[])[heads[other] as number] === copies) startNext(other, at);
    } else {
      options.source.take(record);
      const chosen = new Set<number>();
      while (chosen.size < options.copies) chosen.add(random.integer(options.replicas));
      const copies: Copies = { submitted: at, isMeasured: index >= warmup, replicas: [...chosen], isDone: false };
      index += 1;
      for (const replica of chosen) {
        (queues[replica] as Copies[]).push(copies);
        if (endAt[replica] === Number.POSITIVE_INFINITY) startNext(replica, at);
      }
    }
  }
}
