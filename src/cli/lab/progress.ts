import { formatTook, type Output } from '../output.ts';

/** Least time between two lines of progress. */
const PROGRESS_MS = 2_000;

/** Tells now and then how much of some work is done, and about how long the rest takes. */
export class Progress {
  readonly #output: Pick<Output, 'progress'>;
  readonly #of: { readonly label: string; readonly total: number; readonly units: string };
  readonly #startedAt = performance.now();
  #shownAt = this.#startedAt;
  #done = 0;

  /** `units`: what is counted, such as "runs". */
  constructor(output: Pick<Output, 'progress'>, of: { readonly label: string; readonly total: number; readonly units: string }) {
    this.#output = output;
    this.#of = of;
  }

  /** One more is done. */
  step(): void {
    this.#done += 1;
    const { label, total, units } = this.#of;
    const now = performance.now();
    if (now - this.#shownAt < PROGRESS_MS || this.#done === total) return;
    this.#shownAt = now;
    const leftMs = ((now - this.#startedAt) / this.#done) * (total - this.#done);
    this.#output.progress(`${label}: ${this.#done} of ${total} ${units}, about ${formatTook(leftMs)} to go`);
  }
}
