import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** How one request of the load ended. */
export interface RequestOutcome {
  readonly method: string;
  /** 0 when no whole answer came. */
  readonly status: number;
  /** From the moment it should have been sent. */
  readonly latencyMs: number;
  /** Why it failed, or the reason the gateway gave; empty for an answer of the app. */
  readonly reason: string;
}

/** What clients saw in one stretch of time. */
export interface Window {
  readonly requests: number;
  readonly failedGets: number;
  readonly failedPosts: number;
  /** Failed POSTs whose answer says that they had been sent already, so that repeating them was not safe (R-08). */
  readonly sentPosts: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly worstMs: number;
  /** Reasons of failures, most frequent first. */
  readonly reasons: readonly string[];
}

/** One second of load, for charts. */
export interface Second {
  readonly requests: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const MICROSECONDS = 1_000;
const MAX_LATENCY_US = 60_000_000;

/** Collects outcomes into the window that is open and into seconds. */
export class Meter {
  readonly seconds: Second[] = [];
  #window = emptyCounts();
  #second = emptyCounts();

  record(outcome: RequestOutcome): void {
    count(this.#window, outcome);
    count(this.#second, outcome);
  }

  /** Requests recorded since the window was opened. */
  get requests(): number {
    return this.#window.requests;
  }

  openWindow(): void {
    this.#window = emptyCounts();
  }

  closeWindow(): Window {
    const { requests, failedGets, failedPosts, sentPosts, latencies, countByReason } = this.#window;
    const reasons = [...countByReason].sort((a, b) => b[1] - a[1]).map(([reason, times]) => `${times} × ${reason}`);
    this.openWindow();
    return { requests, failedGets, failedPosts, sentPosts, ...percentiles(latencies), worstMs: latencies.max / MICROSECONDS, reasons };
  }

  /** Called once a second. */
  closeSecond(): void {
    const { requests, failedGets, failedPosts, latencies } = this.#second;
    this.seconds.push({ requests, failed: failedGets + failedPosts, ...percentiles(latencies) });
    this.#second = emptyCounts();
  }
}

interface Counts {
  requests: number;
  failedGets: number;
  failedPosts: number;
  sentPosts: number;
  readonly latencies: RecordableHistogram;
  readonly countByReason: Map<string, number>;
}

function emptyCounts(): Counts {
  return {
    requests: 0,
    failedGets: 0,
    failedPosts: 0,
    sentPosts: 0,
    latencies: createHistogram({ lowest: 1, highest: MAX_LATENCY_US, figures: 3 }),
    countByReason: new Map(),
  };
}

function count(counts: Counts, { method, status, latencyMs, reason }: RequestOutcome): void {
  counts.requests++;
  counts.latencies.record(Math.min(MAX_LATENCY_US, Math.max(1, Math.round(latencyMs * MICROSECONDS))));
  if (status !== 0 && status < 500) return;
  if (method === 'GET') counts.failedGets++;
  else {
    counts.failedPosts++;
    if (reason.includes('already sent')) counts.sentPosts++;
  }
  const text = `${method} ${status === 0 ? 'without an answer' : status}${reason === '' ? '' : `: ${reason}`}`;
  counts.countByReason.set(text, (counts.countByReason.get(text) ?? 0) + 1);
}

function percentiles(latencies: RecordableHistogram): { readonly p50Ms: number; readonly p99Ms: number } {
  if (latencies.count === 0) return { p50Ms: 0, p99Ms: 0 };
  return { p50Ms: latencies.percentile(50) / MICROSECONDS, p99Ms: latencies.percentile(99) / MICROSECONDS };
}
