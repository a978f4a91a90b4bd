/** One request of a run: when it was due, in ms since 1970, and how it went. */
export interface Outcome {
  readonly dueAt: number;
  readonly latencyMs: number;
  readonly isPost: boolean;
  /** `undefined`: a good answer. */
  readonly failure: string | undefined;
}

export interface Fault {
  readonly from: number;
  readonly until: number;
}

export interface Figures {
  readonly requests: number;
  readonly failedGets: number;
  readonly failedPosts: number;
  /** Ids of POSTs that backends got more than once. */
  readonly doubled: number;
  readonly p99Ms: number;
  readonly worstMs: number;
  readonly outAfterMs: number | undefined;
  readonly backAfterMs: number | undefined;
  readonly failures: readonly string[];
}

/** Windows in which harm and traffic are looked at. */
const windowMs = 250;
/** Beyond it a request was harmed: the backends take 20 ms. */
const harmMs = 100;
const harmedShare = 0.01;
/** Arrivals in a window that are traffic rather than a probe. */
const trafficArrivals = 5;

export function outcomesOf(text: string): readonly Outcome[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [dueAt, latencyMs, method, why] = line.split('\t');
      return { dueAt: Number(dueAt), latencyMs: Number(latencyMs), isPost: method === 'POST', failure: why === '-' ? undefined : (why ?? '').trim() };
    });
}

/** What a run says. Latencies are of GETs that were answered well. */
export function figuresOf(run: {
  readonly outcomes: readonly Outcome[];
  readonly posts: readonly string[];
  readonly arrivals: readonly { readonly at: number; readonly count: number }[];
  readonly fault: Fault;
}): Figures {
  const { outcomes, posts, arrivals, fault } = run;
  const failed = outcomes.filter(({ failure }) => failure !== undefined);
  const latencies = outcomes
    .filter(({ isPost, failure }) => !isPost && failure === undefined)
    .map(({ latencyMs }) => latencyMs)
    .sort((a, b) => a - b);
  const reasons = new Map<string, number>();
  for (const { isPost, failure } of failed) {
    const reason = `${isPost ? 'POST' : 'GET'} ${failure}`;
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  return {
    requests: outcomes.length,
    failedGets: failed.filter(({ isPost }) => !isPost).length,
    failedPosts: failed.filter(({ isPost }) => isPost).length,
    doubled: posts.length - new Set(posts).size,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN,
    worstMs: latencies.at(-1) ?? Number.NaN,
    outAfterMs: outAfter(outcomes, fault),
    backAfterMs: backAfter(arrivals, fault),
    failures: [...reasons].map(([reason, count]) => `${count} × ${reason}`),
  };
}

/** From the fault to the end of the last window, within the fault, in which a hundredth of the requests failed or took too long. 0: in none. */
function outAfter(outcomes: readonly Outcome[], { from, until }: Fault): number | undefined {
  const windows = new Map<number, { due: number; harmed: number; lastMs: number }>();
  for (const { dueAt, latencyMs, failure } of outcomes) {
    if (dueAt < from || dueAt >= until) continue;
    const key = Math.floor((dueAt - from) / windowMs);
    const window = windows.get(key) ?? { due: 0, harmed: 0, lastMs: 0 };
    windows.set(key, window);
    window.due++;
    if (failure === undefined && latencyMs <= harmMs) continue;
    window.harmed++;
    window.lastMs = Math.max(window.lastMs, dueAt - from);
  }
  const harmed = [...windows.values()].filter((window) => window.harmed > window.due * harmedShare);
  return harmed.length === 0 ? 0 : Math.max(...harmed.map(({ lastMs }) => lastMs));
}

/** From the end of the fault to the first window in which the backend gets traffic again. */
function backAfter(arrivals: readonly { readonly at: number; readonly count: number }[], { until }: Fault): number | undefined {
  const windows = new Map<number, number>();
  for (const { at, count } of arrivals) {
    if (at < until) continue;
    const key = Math.floor((at - until) / windowMs);
    windows.set(key, (windows.get(key) ?? 0) + count);
  }
  const first = [...windows].filter(([, count]) => count >= trafficArrivals).map(([key]) => key);
  return first.length === 0 ? undefined : Math.min(...first) * windowMs;
}
