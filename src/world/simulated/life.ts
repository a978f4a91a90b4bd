import type { Scheduler } from './scheduler.ts';

/**
 * One incarnation of a host or of a process in it. All that a port ever tells a program comes through `deliver`, so:
 * L1: after `end` nothing is delivered: promises of a dead program stay pending for ever.
 * L2: while paused deliveries wait, and come all at once, in order, when it goes on, as after a real SIGSTOP.
 */
export class Life {
  readonly #scheduler: Scheduler;
  readonly #parent: Life | undefined;
  readonly #endings = new Set<() => void>();
  readonly #children = new Set<Life>();
  readonly #waiting: (() => void)[] = [];
  #isEnded = false;
  #isPaused = false;
  /** What waited is being let go, one callback at a time. */
  #isDraining = false;

  constructor(scheduler: Scheduler, parent?: Life) {
    this.#scheduler = scheduler;
    this.#parent = parent;
    if (parent) parent.#children.add(this);
  }

  /** A life inside this one: it ends and pauses with it, and can end before. */
  child(): Life {
    return new Life(this.#scheduler, this);
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Runs the callback in this life `delayMs` of true virtual time later. */
  deliver(delayMs: number, callback: () => void): Disposable {
    let isDropped = false;
    const run = (): void => {
      if (!isDropped) callback();
    };
    const timer = this.#scheduler.at(this.#scheduler.nowMs + delayMs, () => this.#enter(run));
    return {
      [Symbol.dispose]: () => {
        isDropped = true;
        timer[Symbol.dispose]();
      },
    };
  }

  /** A promise that resolves with what `work` returns, or rejects with what it throws, in this life `delayMs` later. */
  answer<Value>(delayMs: number, work: () => Value): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.deliver(delayMs, () => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** Calls back when this life ends, unless disposed. */
  onEnd(callback: () => void): Disposable {
    this.#endings.add(callback);
    return { [Symbol.dispose]: () => this.#endings.delete(callback) };
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#waiting.length = 0;
    for (const child of [...this.#children]) child.end();
    if (this.#parent) this.#parent.#children.delete(this);
    for (const ending of [...this.#endings]) ending();
    this.#endings.clear();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#drain();
  }

  /** Lets the first of those that wait go, and after it the next: any of them may pause or end this life once more. */
  #drain(): void {
    if (this.#isDraining || this.#waiting.length === 0) return;
    this.#isDraining = true;
    const step = (): void => {
      this.#isDraining = false;
      if (this.#isEnded || this.#isPaused) return;
      this.#waiting.shift()?.();
      this.#drain();
    };
    this.#scheduler.at(this.#scheduler.nowMs, () => (this.#parent ? this.#parent.#enter(step) : step()));
  }

  /** Through the gates of all lives around this one, the outermost first. */
  #enter(callback: () => void): void {
    const inner = () => {
      if (this.#isEnded) return;
      // L2: nobody overtakes those that still wait.
      if (this.#isPaused || this.#waiting.length > 0) this.#waiting.push(callback);
      else callback();
    };
    if (this.#parent) this.#parent.#enter(inner);
    else inner();
  }
}
