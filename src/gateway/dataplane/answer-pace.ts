import { type AnswerWindow, isSlow, SLOWNESS } from '#policy/balance/slowness';
import { BUCKETS, type Histogram, percentileMs } from './histogram.ts';

/** A window that has not filled by then begins anew. */
const longestWindowMs = 10_000;
const NONE: AnswerWindow = { answers: 0, quickMs: 0, medianMs: 0 };

/** How quickly one backend answers now, read from the counts it keeps anyway: nothing is done per request. */
export class AnswerPace {
  readonly #durations: Histogram;
  readonly #before = new Float64Array(BUCKETS);
  #sumBefore = 0;
  #beganAt = 0;
  #recent = NONE;
  #recentAt = Number.NEGATIVE_INFINITY;
  #wasSlow = false;

  constructor(durations: Histogram) {
    this.#durations = durations;
  }

  /** The last whole window; an empty one if it is too long ago to say anything. */
  recent(now: number): AnswerWindow {
    return now - this.#recentAt <= longestWindowMs ? this.#recent : NONE;
  }

  /** Ends the window if it has answers enough; true if there is a new one to look at. */
  turn(now: number): boolean {
    // Most of many backends are idle, and their counts are long.
    if (this.#durations.sumMs === this.#sumBefore && now - this.#beganAt <= longestWindowMs) return false;
    const counts = this.#durations.counts.map((count, bucket) => count - (this.#before[bucket] as number));
    const answers = counts.reduce((sum, count) => sum + count, 0);
    const isFull = answers >= SLOWNESS.leastAnswers;
    if (!isFull && now - this.#beganAt <= longestWindowMs) return false;
    this.#before.set(this.#durations.counts);
    this.#sumBefore = this.#durations.sumMs;
    this.#beganAt = now;
    if (!isFull) {
      this.#wasSlow = false;
      return false;
    }
    this.#recent = { answers, quickMs: percentileMs(counts, 0.25), medianMs: percentileMs(counts, 0.5) };
    this.#recentAt = now;
    return true;
  }

  /** Whether the last window, and the one before if that takes two, is beyond the limit. */
  judge(limitMs: number | undefined): boolean {
    const verdict = isSlow(this.#recent, limitMs, this.#wasSlow);
    this.#wasSlow = limitMs !== undefined && this.#recent.quickMs > limitMs;
    return verdict;
  }

  /** It was out: what was counted before says nothing of it now. */
  forget(): void {
    this.#before.set(this.#durations.counts);
    this.#recentAt = Number.NEGATIVE_INFINITY;
    this.#wasSlow = false;
  }
}
