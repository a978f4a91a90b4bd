/** Requests of one turn from which on it pays to send them together. */
const worthwhile = 3;
/** Turns over which their number is averaged. */
const rememberedTurns = 8;
/** While requests do not wait one in so many does, to see whether turns have several again. */
const probeEvery = 16;

/**
 * Whether requests are sent at the end of the turn of the event loop in which they came, together, or each at once. Together a backend is woken once for many, which saves a twentieth of
 * what a request costs where a turn has a dozen; where it has one or two, the end of the turn costs as much, and every request some time. So it follows how many turns had of late.
 */
export class Gathering {
  /** Requests that waited, per turn. */
  #mean = worthwhile;
  #waiting = 0;
  #sentAtOnce = 0;

  /** Whether the request at hand waits for the end of its turn; `turned` is to be called then. */
  waits(): boolean {
    if (this.#waiting === 0 && this.#mean < worthwhile && ++this.#sentAtOnce < probeEvery) return false;
    this.#sentAtOnce = 0;
    this.#waiting++;
    return true;
  }

  /** The turn is over, and who waited is sent. */
  turned(): void {
    if (this.#waiting === 0) return;
    this.#mean += (this.#waiting - this.#mean) / rememberedTurns;
    this.#waiting = 0;
  }
}
