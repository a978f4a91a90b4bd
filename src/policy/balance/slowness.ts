/** How one backend answered within a window. In ms. */
export interface AnswerWindow {
  readonly answers: number;
  /** A quarter of its answers took no longer. */
  readonly quickMs: number;
  readonly medianMs: number;
}

export const SLOWNESS = { floorMs: 50, leastAnswers: 20, surelyAnswers: 100, leastPeers: 2 } as const;

/**
 * Above how many ms a backend is slower than its peers can explain: `factor` times what is usual among them, and 50 ms more. `undefined` if there are too few peers
 * to tell. Usual is the median of the peers' medians, so that it takes half of them to move it; when all slow down together it moves with them.
 */
export function slowLimitMs(peers: readonly AnswerWindow[], factor: number): number | undefined {
  const medians = peers.filter(({ answers }) => answers >= SLOWNESS.leastAnswers).map(({ medianMs }) => medianMs);
  if (factor <= 0 || medians.length < SLOWNESS.leastPeers) return undefined;
  const usualMs = medians.toSorted((a, b) => a - b)[(medians.length - 1) >> 1] as number;
  return Math.max(factor * usualMs, usualMs + SLOWNESS.floorMs);
}

/**
 * True when a backend that still answers is slow in itself: even its quick answers are beyond the limit. Some slow requests beside quick ones are not its fault.
 * With few answers it takes two windows in a row, of which this is the second if `wasSlow`.
 */
export function isSlow(window: AnswerWindow, limitMs: number | undefined, wasSlow: boolean): boolean {
  if (limitMs === undefined || window.answers < SLOWNESS.leastAnswers || window.quickMs <= limitMs) return false;
  return wasSlow || window.answers >= SLOWNESS.surelyAnswers;
}
