/** All in ms. */
export interface LatencyOptions {
  /** How long an answer is remembered: after it, it counts 1/e. */
  readonly decayMs: number;
  /** What a failure counts as at least: errors are fast, and who only looks at speed sends everything to who fails. */
  readonly penaltyMs: number;
  /** What a backend is taken for that has not answered yet. */
  readonly initialMs: number;
}

/**
 * How long one backend takes to answer: a mean that forgets exponentially, but jumps to a slower answer at once (peak EWMA, as in Finagle and Linkerd).
 *
 * Fed with the time to the head of each final answer and with failures. Never with what a client gave up, with 1xx, or with the length of a tunnel or a body:
 * these say nothing of the backend. Changed in place.
 */
export class AnswerLatency {
  readonly #options: LatencyOptions;
  #estimateMs: number;
  #at: number;

  constructor(options: LatencyOptions, now: number) {
    this.#options = options;
    this.#estimateMs = options.initialMs;
    this.#at = now;
  }

  /** A final answer began `answerMs` after the request was handed over. */
  answered(answerMs: number, now: number): void {
    if (answerMs > this.#estimateMs) this.#estimateMs = answerMs;
    else {
      const kept = Math.exp((this.#at - now) / this.#options.decayMs);
      this.#estimateMs = this.#estimateMs * kept + answerMs * (1 - kept);
    }
    this.#at = now;
  }

  /** No answer, a broken one, or one of 5xx, after `waitedMs`. It never makes the backend look better. */
  failed(waitedMs: number, now: number): void {
    this.#estimateMs = Math.max(this.costMs(now), waitedMs, this.#options.penaltyMs);
    this.#at = now;
  }

  /** The estimate as of now: it fades while nothing is heard, so that a backend that was slow gets another request some day. */
  costMs(now: number): number {
    return this.#estimateMs * Math.exp((this.#at - now) / this.#options.decayMs);
  }
}
