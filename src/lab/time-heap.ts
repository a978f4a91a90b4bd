/** A min-heap of moments, each with a number attached; ties by that number. Typed arrays, no allocation after growth. */
export class TimeHeap {
  #times = new Float64Array(64);
  #items = new Float64Array(64);
  size = 0;

  get nextAt(): number {
    return this.size === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number);
  }

  push(time: number, item: number): void {
    if (this.size === this.#times.length) {
      const times = new Float64Array(this.size * 2);
      const items = new Float64Array(this.size * 2);
      times.set(this.#times);
      items.set(this.#items);
      this.#times = times;
      this.#items = items;
    }
    const times = this.#times;
    const items = this.#items;
    let index = this.size;
    this.size += 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = times[parent] as number;
      if (above < time || (above === time && (items[parent] as number) <= item)) break;
      times[index] = above;
      items[index] = items[parent] as number;
      index = parent;
    }
    times[index] = time;
    items[index] = item;
  }

  /** Removes the earliest and returns its number; -1 when empty. */
  pop(): number {
    if (this.size === 0) return -1;
    const times = this.#times;
    const items = this.#items;
    const top = items[0] as number;
    this.size -= 1;
    const time = times[this.size] as number;
    const item = items[this.size] as number;
    let index = 0;
    for (let child = 1; child < this.size; child = 2 * index + 1) {
      const right = child + 1;
      if (right < this.size) {
        const difference = (times[right] as number) - (times[child] as number);
        if (difference < 0 || (difference === 0 && (items[right] as number) < (items[child] as number))) child = right;
      }
      const below = times[child] as number;
      if (time < below || (time === below && item <= (items[child] as number))) break;
      times[index] = below;
      items[index] = items[child] as number;
      index = child;
    }
    times[index] = time;
    items[index] = item;
    return top;
  }
}
