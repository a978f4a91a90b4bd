import type { World } from '#world/world';
import type { TicketSecrets } from './ticket-keys.ts';

const periodMs = 12 * 3_600_000;
const secretBytes = 32;
/** The one before is still taken: a session that began under it can be resumed. */
const generations = 2;

/** The secrets of session tickets, changed twice a day so that one that leaks opens little; the same in all workers of a gateway, and only in memory. */
export class TicketRotation implements Disposable {
  readonly #world: World;
  readonly #onChange: (secrets: TicketSecrets) => void;
  #secrets: TicketSecrets;
  #timer: Disposable;

  constructor(world: World, onChange: (secrets: TicketSecrets) => void) {
    this.#world = world;
    this.#onChange = onChange;
    this.#secrets = [this.#newSecret()];
    this.#timer = this.#later();
  }

  get secrets(): TicketSecrets {
    return this.#secrets;
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #later(): Disposable {
    return this.#world.clock.after(periodMs, () => {
      this.#secrets = [this.#newSecret(), ...this.#secrets].slice(0, generations);
      this.#timer = this.#later();
      this.#onChange(this.#secrets);
    });
  }

  #newSecret(): string {
    return Buffer.from(this.#world.random.bytes(secretBytes)).toString('base64');
  }
}
