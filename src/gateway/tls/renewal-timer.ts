import type { World } from '#world/world';
import { type Dated, planRenewals } from './renewal-plan.ts';

/** The wall clock may be set, and a machine may sleep: it is looked at again so often. A renewal that failed is repeated after as long. */
const longestMs = 60_000;
const shortestMs = 1_000;

/** Has certificates renewed when they are due. */
export class RenewalTimer implements Disposable {
  readonly #world: World;
  readonly #renew: () => Promise<readonly Dated[]>;
  #certificates: readonly Dated[] = [];
  #timer: Disposable | undefined;
  #isOver = false;

  /** `renew` replaces those that are due and resolves to all that are in force then; if it rejects, it is called again later. */
  constructor(world: World, renew: () => Promise<readonly Dated[]>) {
    this.#world = world;
    this.#renew = renew;
  }

  /** These are in force now, in the place of those before. */
  follow(certificates: readonly Dated[]): void {
    this.#certificates = certificates;
    this.#wait();
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#timer?.[Symbol.dispose]();
  }

  #wait(): void {
    this.#timer?.[Symbol.dispose]();
    if (this.#isOver || this.#certificates.length === 0) return;
    const now = this.#world.clock.wall();
    const { due, nextAt = now } = planRenewals(this.#certificates, now);
    const delayMs = due.length > 0 ? longestMs : Math.min(longestMs, Math.max(shortestMs, nextAt - now));
    this.#timer = this.#world.clock.after(delayMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    if (planRenewals(this.#certificates, this.#world.clock.wall()).due.length > 0) {
      // Why one failed is for who renews to say.
      this.#certificates = await this.#renew().catch(() => this.#certificates);
    }
    this.#wait();
  }
}
