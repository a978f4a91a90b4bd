import { Histogram, percentileMs } from '#gateway/dataplane/histogram';
import { LoadConnection } from './load-connection.ts';

/** One request of the load. */
export interface LoadRequest {
  readonly method: string;
  /** Path and query, beginning with `/`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Host field; the address by default. */
  readonly host?: string;
}

/** How one request ended. `latencyMs` counts from the moment it was due, not from the moment it could be sent. */
export interface LoadResult {
  readonly index: number;
  readonly method: string;
  readonly status: number | undefined;
  /** Why there is no good answer: `refused`, `closed`, `timeout`, `broken`, `overflow`, or `status 503`; `undefined` if it is one. */
  readonly failure: string | undefined;
  readonly latencyMs: number;
  /** Fields of the answer, for failures only: what the gateway said of the cause. */
  readonly proxyStatus: string | undefined;
}

export interface LoadOptions {
  readonly address: { readonly host: string; readonly port: number };
  readonly ratePerSecond: number;
  /** At most so many; those that are due while all are busy wait. */
  readonly connections: number;
  readonly nextRequest: (index: number) => LoadRequest;
  readonly durationMs?: number;
  readonly signal?: AbortSignal;
  /** An answer that takes longer has failed. 30 s by default. */
  readonly timeoutMs?: number;
  readonly onResult?: (result: LoadResult) => void;
}

/** Counts of a run so far; safe to read at any time. */
export interface LoadCounters {
  readonly due: number;
  readonly answered: number;
  /** Without an answer, or answered with 5xx. */
  readonly failed: number;
  readonly waiting: number;
}

export interface LoadReport extends LoadCounters {
  readonly durationMs: number;
  readonly byStatus: Readonly<Record<string, number>>;
  readonly failuresByReason: Readonly<Record<string, number>>;
  /** By method: due, failed and latencies of the good answers in ms. */
  readonly byMethod: Readonly<Record<string, MethodReport>>;
  readonly latency: LatencyReport;
}

export interface MethodReport {
  readonly due: number;
  readonly failed: number;
  readonly latency: LatencyReport;
}

export interface LatencyReport {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** A run under way. */
export interface LoadRun {
  readonly counters: LoadCounters;
  readonly done: Promise<LoadReport>;
}

const mostWaiting = 100_000;
const defaultTimeoutMs = 30_000;
const sweepMs = 50;
const compactAfter = 1_024;

/** Sends requests at a fixed rate whatever the answers do (open loop), and reports when all have ended. */
export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  return await startLoad(options).done;
}

/** As `runLoad`, with counters to read during the run. Ends after `durationMs` or when the signal aborts, plus the time of the last answers. */
export function startLoad(options: LoadOptions): LoadRun {
  const generator = new Generator(options);
  return { counters: generator, done: generator.run() };
}

interface Due {
  readonly index: number;
  readonly dueAt: number;
  readonly request: LoadRequest;
}

class MethodCounts {
  due = 0;
  failed = 0;
  maxMs = 0;
  readonly latencies = new Histogram();

  get report(): MethodReport {
    return { due: this.due, failed: this.failed, latency: latencyReport(this.latencies, this.maxMs) };
  }
}

class Generator implements LoadCounters {
  due = 0;
  answered = 0;
  failed = 0;
  readonly #options: LoadOptions;
  readonly #timeoutMs: number;
  readonly #free: LoadConnection<Due>[] = [];
  readonly #all = new Set<LoadConnection<Due>>();
  readonly #queue: Due[] = [];
  #queueHead = 0;
  readonly #total = new MethodCounts();
  readonly #byMethod = new Map<string, MethodCounts>();
  readonly #byStatus = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  #ended = Promise.withResolvers<void>();
  #isEnding = false;
  #withoutAnswer = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  }

  get waiting(): number {
    return this.due - this.answered - this.#withoutAnswer;
  }

  async run(): Promise<LoadReport> {
    const { ratePerSecond, durationMs = Number.POSITIVE_INFINITY, signal } = this.#options;
    const startedAt = performance.now();
    const endsAt = startedAt + durationMs;
    const periodMs = 1_000 / ratePerSecond;
    const sweep = setInterval(() => this.#sweep(), sweepMs);
    for (let index = 0; ; ) {
      const now = performance.now();
      for (; startedAt + index * periodMs <= now && startedAt + index * periodMs < endsAt; index++) this.#send(index, startedAt + index * periodMs);
      const nextAt = startedAt + index * periodMs;
      if (nextAt >= endsAt || signal?.aborted) break;
      await sleep(Math.max(0, nextAt - performance.now()), signal);
      if (signal?.aborted) break;
    }
    this.#isEnding = true;
    if (this.waiting > 0) await this.#ended.promise;
    clearInterval(sweep);
    for (const connection of this.#all) connection.close();
    return this.#report(performance.now() - startedAt);
  }

  #send(index: number, dueAt: number): void {
    const request = this.#options.nextRequest(index);
    this.due++;
    this.#methodCounts(request.method).due++;
    const due: Due = { index, dueAt, request };
    const connection = this.#take();
    if (connection !== undefined) connection.send(due, request, dueAt + this.#timeoutMs);
    else if (this.#queue.length - this.#queueHead >= mostWaiting) this.#finish(due, undefined, 'overflow', undefined);
    else this.#queue.push(due);
  }

  #take(): LoadConnection<Due> | undefined {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#all.size >= this.#options.connections) return undefined;
    const connection = new LoadConnection<Due>(this.#options.address, {
      onAnswer: (due, status, proxyStatus) => this.#finish(due, status, status >= 500 ? `status ${status}` : undefined, proxyStatus),
      onFailure: (due, reason) => this.#finish(due, undefined, reason, undefined),
      onFree: (freed) => this.#next(freed),
      onClosed: (closed) => {
        this.#all.delete(closed);
        const index = this.#free.indexOf(closed);
        if (index >= 0) this.#free.splice(index, 1);
        const next = this.#queueHead < this.#queue.length ? this.#take() : undefined;
        if (next !== undefined) this.#next(next);
      },
    });
    this.#all.add(connection);
    return connection;
  }

  #next(connection: LoadConnection<Due>): void {
    const due = this.#queue[this.#queueHead];
    if (due === undefined) {
      this.#free.push(connection);
      return;
    }
    this.#advance();
    connection.send(due, due.request, due.dueAt + this.#timeoutMs);
  }

  #finish(due: Due, status: number | undefined, failure: string | undefined, proxyStatus: string | undefined): void {
    const latencyMs = performance.now() - due.dueAt;
    const counts = this.#methodCounts(due.request.method);
    if (status === undefined) this.#withoutAnswer++;
    else {
      this.answered++;
      this.#byStatus.set(String(status), (this.#byStatus.get(String(status)) ?? 0) + 1);
    }
    if (failure !== undefined) {
      this.failed++;
      counts.failed++;
      this.#failures.set(failure, (this.#failures.get(failure) ?? 0) + 1);
    } else {
      for (const each of [counts, this.#total]) {
        each.latencies.add(latencyMs);
        each.maxMs = Math.max(each.maxMs, latencyMs);
      }
    }
    this.#options.onResult?.({ index: due.index, method: due.request.method, status, failure, latencyMs, proxyStatus });
    if (this.#isEnding && this.waiting === 0) this.#ended.resolve();
  }

  #advance(): void {
    if (++this.#queueHead < compactAfter) return;
    this.#queue.splice(0, this.#queueHead);
    this.#queueHead = 0;
  }

  #sweep(): void {
    const now = performance.now();
    for (const connection of [...this.#all]) connection.expire(now);
    while (this.#queueHead < this.#queue.length && (this.#queue[this.#queueHead] as Due).dueAt + this.#timeoutMs <= now) {
      this.#finish(this.#queue[this.#queueHead] as Due, undefined, 'timeout', undefined);
      this.#advance();
    }
  }

  #methodCounts(method: string): MethodCounts {
    const known = this.#byMethod.get(method);
    if (known !== undefined) return known;
    const counts = new MethodCounts();
    this.#byMethod.set(method, counts);
    return counts;
  }

  #report(durationMs: number): LoadReport {
    return {
      due: this.due,
      answered: this.answered,
      failed: this.failed,
      waiting: this.waiting,
      durationMs,
      byStatus: Object.fromEntries(this.#byStatus),
      failuresByReason: Object.fromEntries(this.#failures),
      byMethod: Object.fromEntries([...this.#byMethod].map(([method, counts]) => [method, counts.report])),
      latency: latencyReport(this.#total.latencies, this.#total.maxMs),
    };
  }
}

function latencyReport(latencies: Histogram, maxMs: number): LatencyReport {
  const at = (share: number) => Math.min(maxMs, percentileMs(latencies.counts, share));
  return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99), maxMs };
}

async function sleep(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  const done = Promise.withResolvers<void>();
  const timer = setTimeout(done.resolve, delayMs);
  const stop = () => done.resolve();
  signal?.addEventListener('abort', stop, { once: true });
  await done.promise;
  clearTimeout(timer);
  signal?.removeEventListener('abort', stop);
}
