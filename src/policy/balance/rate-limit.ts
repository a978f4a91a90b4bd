/** How often, and how many at once. */
export interface RateLimitOptions {
  readonly ratePerSecond: number;
  /** Requests that may come at once after a pause; at least 1. */
  readonly burst: number;
  /** Keys remembered; the one unused for longest is forgotten first, so that many addresses cost bounded memory. */
  readonly maxKeys: number;
}

const NONE = -1;
/** What sums of fractions may lose: who came in time must not be early by it. */
const roundingMs = 1e-6;

/**
 * The generic cell rate algorithm (ITU-T I.371): one number per key, the time at which it will have used up nothing. Exact over any window, unlike counters
 * per second. Local to whoever holds it: two processes with the same limit let through twice of it.
 *
 * RL1: `#slots` and the list from `#newest` to `#oldest` hold the same keys, at most `maxKeys`. A key that is known costs no allocation.
 */
export class RateLimiter {
  readonly #gapMs: number;
  readonly #toleranceMs: number;
  readonly #maxKeys: number;
  readonly #slots = new Map<string, number>();
  readonly #keys: string[] = [];
  readonly #emptyAt: Float64Array;
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  #newest = NONE;
  #oldest = NONE;
  /** Of the key that was taken last: how many more of its requests would pass now. */
  remaining = 0;
  /** Of the key that was taken last: how many ms until all of its burst is there again. */
  fullInMs = 0;

  constructor(options: RateLimitOptions) {
    this.#gapMs = 1_000 / options.ratePerSecond;
    this.#toleranceMs = (options.burst - 1) * this.#gapMs;
    this.#maxKeys = options.maxKeys;
    this.#emptyAt = new Float64Array(options.maxKeys);
    this.#newer = new Int32Array(options.maxKeys).fill(NONE);
    this.#older = new Int32Array(options.maxKeys).fill(NONE);
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Takes one request of `key` at `now` (ms): 0 if it may pass, else how many ms until one may. What is refused costs the key nothing. */
  take(key: string, now: number): number {
    const slot = this.#slots.get(key);
    if (slot === undefined) {
      this.#pass(this.#insert(key), now, now);
      return 0;
    }
    this.#touch(slot);
    const emptyAt = this.#emptyAt[slot] as number;
    const tooEarlyMs = emptyAt - this.#toleranceMs - now;
    if (tooEarlyMs > roundingMs) {
      this.remaining = 0;
      this.fullInMs = emptyAt - now;
      return tooEarlyMs;
    }
    this.#pass(slot, now, emptyAt);
    return 0;
  }

  #pass(slot: number, now: number, emptyAt: number): void {
    const next = Math.max(now, emptyAt) + this.#gapMs;
    this.#emptyAt[slot] = next;
    this.remaining = Math.max(0, Math.floor((now + this.#toleranceMs + roundingMs - next) / this.#gapMs) + 1);
    this.fullInMs = next - now;
  }

  #insert(key: string): number {
    let slot = this.#keys.length;
    if (slot >= this.#maxKeys) {
      slot = this.#oldest;
      this.#slots.delete(this.#keys[slot] as string);
      this.#unlink(slot);
      this.#keys[slot] = key;
    } else this.#keys.push(key);
    this.#slots.set(key, slot);
    this.#link(slot);
    return slot;
  }

  #touch(slot: number): void {
    if (slot === this.#newest) return;
    this.#unlink(slot);
    this.#link(slot);
  }

  #unlink(slot: number): void {
    const newer = this.#newer[slot] as number;
    const older = this.#older[slot] as number;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
  }

  #link(slot: number): void {
    this.#newer[slot] = NONE;
    this.#older[slot] = this.#newest;
    if (this.#newest === NONE) this.#oldest = slot;
    else this.#newer[this.#newest] = slot;
    this.#newest = slot;
  }
}

/** Whole seconds for `Retry-After` after a refusal: rounded up, so that who obeys it is let in. */
export function retryAfterSeconds(waitMs: number): number {
  return Math.max(1, Math.ceil(waitMs / 1_000));
}

/** What one client is: an IPv4 address, or the /64 of an IPv6 address, which is what one subscriber gets. */
export function clientKeyOf(address: string): string {
  if (!address.includes(':')) return address;
  const plain = address.split('%', 1)[0] as string;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = plain.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array.from({ length: zeros }, () => '0'), ...after].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}
