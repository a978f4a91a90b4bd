const SUB_BITS = 9;
const SUB_BUCKETS = 2 ** SUB_BITS;
const EXACT = 2 * SUB_BUCKETS;
const TWO_32 = 2 ** 32;

/**
 * Counts of whole numbers from 0 to 2^53 in bounded memory: exact below 1,024, within 0.2 % above. Percentiles are nearest rank,
 * interpolated inside a bucket.
 */
export class Histogram {
  readonly #counts = new Float64Array(EXACT + SUB_BUCKETS * (53 - SUB_BITS));
  #total = 0;
  #most = 0;

  get total(): number {
    return this.#total;
  }

  get most(): number {
    return this.#most;
  }

  record(value: number): void {
    const index = bucketOf(value);
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#total += 1;
    if (value > this.#most) this.#most = value;
  }

  add(other: Histogram): void {
    for (let index = 0; index < this.#counts.length; index += 1) this.#counts[index] = (this.#counts[index] as number) + (other.#counts[index] as number);
    this.#total += other.#total;
    this.#most = Math.max(this.#most, other.#most);
  }

  /** The smallest recorded value that at least `fraction` of all values do not exceed; 0 when empty. */
  quantile(fraction: number): number {
    if (this.#total === 0) return 0;
    const rank = Math.max(1, Math.ceil(fraction * this.#total));
    let seen = 0;
    for (let index = 0; index < this.#counts.length; index += 1) {
      const count = this.#counts[index] as number;
      if (count === 0 || seen + count < rank) {
        seen += count;
        continue;
      }
      const low = lowestOf(index);
      const width = lowestOf(index + 1) - low;
      return width === 1 ? low : Math.min(this.#most, low + (width * (rank - seen - 0.5)) / count);
    }
    return this.#most;
  }

  /** Points (value, fraction of values at most that large) for a plot, at most `points` of them. */
  curve(points: number): readonly (readonly [value: number, fraction: number])[] {
    const curve: (readonly [number, number])[] = [];
    let seen = 0;
    for (let index = 0; index < this.#counts.length && this.#total > 0; index += 1) {
      const count = this.#counts[index] as number;
      if (count === 0) continue;
      seen += count;
      const last = curve.at(-1);
      if (last === undefined || seen / this.#total - last[1] >= 1 / points || seen === this.#total) curve.push([lowestOf(index + 1) - 1, seen / this.#total]);
    }
    return curve;
  }
}

function bucketOf(value: number): number {
  if (value < EXACT) return value | 0;
  const exponent = value < TWO_32 ? 31 - Math.clz32(value) : 63 - Math.clz32(value / TWO_32);
  // The top SUB_BITS + 1 bits of the value; the first of them is always set.
  const mantissa = value < TWO_32 ? value >>> (exponent - SUB_BITS) : Math.floor(value / 2 ** (exponent - SUB_BITS));
  return (exponent - SUB_BITS) * SUB_BUCKETS + mantissa;
}

function lowestOf(index: number): number {
  if (index < EXACT) return index;
  const shift = Math.floor(index / SUB_BUCKETS) - 1;
  return (index - shift * SUB_BUCKETS) * 2 ** shift;
}
