const BATCHES = 20;
/** Student's t for 95 %, two-sided, with 19 degrees of freedom. */
const T_19 = 2.093024054;

/**
 * The mean of a long correlated series with a confidence interval: 20 batches of equal length in order, whose means are nearly
 * independent. Also the variance, the least and the most of the values.
 */
export class BatchMeans {
  readonly #batchSize: number;
  readonly #sums = new Float64Array(BATCHES);
  #batch = 0;
  #inBatch = 0;
  #batchSum = 0;
  #count = 0;
  #squares = 0;
  #most = 0;
  #sum = 0;

  /** `expected`: how many values will come; more go to the last batch. */
  constructor(expected: number) {
    this.#batchSize = Math.max(1, Math.floor(expected / BATCHES));
  }

  record(value: number): void {
    this.#count += 1;
    this.#sum += value;
    this.#squares += value * value;
    if (value > this.#most) this.#most = value;
    this.#batchSum += value;
    this.#inBatch += 1;
    if (this.#inBatch === this.#batchSize) this.#close();
  }

  get count(): number {
    return this.#count;
  }

  get most(): number {
    return this.#most;
  }

  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  get variance(): number {
    return this.#count === 0 ? 0 : Math.max(0, this.#squares / this.#count - this.mean * this.mean);
  }

  /** Half the width of the 95 % confidence interval of the mean; 0 when there are fewer than 20 values. */
  get halfWidth(): number {
    if (this.#batch < BATCHES) return 0;
    let sum = 0;
    let squares = 0;
    for (const total of this.#sums) {
      const mean = total / this.#batchSize;
      sum += mean;
      squares += mean * mean;
    }
    const variance = Math.max(0, (squares - (sum * sum) / BATCHES) / (BATCHES - 1));
    return T_19 * Math.sqrt(variance / BATCHES);
  }

  #close(): void {
    if (this.#batch < BATCHES) this.#sums[this.#batch] = this.#batchSum;
    this.#batch += 1;
    this.#batchSum = 0;
    this.#inBatch = 0;
  }
}
