import type { Task } from './queue-policy.ts';

const NONE = -1;

/** Ready tasks by smallest key, then smallest tie. Keys live in typed arrays, so pushing a task allocates nothing. */
export class TaskHeap {
  #keys = new Float64Array(64);
  #ties = new Float64Array(64);
  readonly #tasks: Task[] = [];

  get size(): number {
    return this.#tasks.length;
  }

  peek(): Task | undefined {
    return this.#tasks[0];
  }

  /** The smallest key; Infinity when empty. */
  peekKey(): number {
    return this.#tasks.length === 0 ? Number.POSITIVE_INFINITY : (this.#keys[0] as number);
  }

  push(task: Task, key: number, tie: number): void {
    const index = this.#tasks.length;
    if (index === this.#keys.length) this.#grow();
    this.#tasks.push(task);
    this.#rise(index, task, key, tie);
  }

  pop(): Task | undefined {
    const tasks = this.#tasks;
    const top = tasks[0];
    const last = tasks.pop();
    if (last !== undefined && tasks.length > 0) this.#sink(0, last, this.#keys[tasks.length] as number, this.#ties[tasks.length] as number);
    return top;
  }

  /** Takes out one task wherever it is: linear, for the rare task that leaves. */
  remove(task: Task): boolean {
    const tasks = this.#tasks;
    const index = tasks.indexOf(task);
    if (index === NONE) return false;
    const last = tasks.pop();
    if (last === undefined || index === tasks.length) return true;
    const key = this.#keys[tasks.length] as number;
    const tie = this.#ties[tasks.length] as number;
    if (index > 0 && this.#isBefore(key, tie, (index - 1) >> 1)) this.#rise(index, last, key, tie);
    else this.#sink(index, last, key, tie);
    return true;
  }

  /** Ids with their keys and ties, for a snapshot. */
  entries(): readonly (readonly [id: string, key: number, tie: number])[] {
    return this.#tasks.map((task, index) => [task.id, this.#keys[index] as number, this.#ties[index] as number]);
  }

  /** How many tasks come out before this one; -1 when it is not here. Linear. */
  rankOf(task: Task): number {
    const index = this.#tasks.indexOf(task);
    if (index === NONE) return NONE;
    const key = this.#keys[index] as number;
    const tie = this.#ties[index] as number;
    let rank = 0;
    for (let other = 0; other < this.#tasks.length; other += 1) if (other !== index && !this.#isBefore(key, tie, other)) rank += 1;
    return rank;
  }

  #isBefore(key: number, tie: number, index: number): boolean {
    const other = this.#keys[index] as number;
    return key < other || (key === other && tie < (this.#ties[index] as number));
  }

  #rise(from: number, task: Task, key: number, tie: number): void {
    const tasks = this.#tasks;
    const keys = this.#keys;
    const ties = this.#ties;
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = keys[parent] as number;
      if (above < key || (above === key && (ties[parent] as number) <= tie)) break;
      tasks[index] = tasks[parent] as Task;
      keys[index] = above;
      ties[index] = ties[parent] as number;
      index = parent;
    }
    tasks[index] = task;
    keys[index] = key;
    ties[index] = tie;
  }

  #sink(from: number, task: Task, key: number, tie: number): void {
    const tasks = this.#tasks;
    const keys = this.#keys;
    const ties = this.#ties;
    const size = tasks.length;
    let index = from;
    for (let child = 2 * index + 1; child < size; child = 2 * index + 1) {
      const right = child + 1;
      if (right < size) {
        const difference = (keys[right] as number) - (keys[child] as number);
        if (difference < 0 || (difference === 0 && (ties[right] as number) < (ties[child] as number))) child = right;
      }
      const below = keys[child] as number;
      if (key < below || (key === below && tie <= (ties[child] as number))) break;
      tasks[index] = tasks[child] as Task;
      keys[index] = below;
      ties[index] = ties[child] as number;
      index = child;
    }
    tasks[index] = task;
    keys[index] = key;
    ties[index] = tie;
  }

  #grow(): void {
    const size = this.#keys.length * 2;
    const keys = new Float64Array(size);
    const ties = new Float64Array(size);
    keys.set(this.#keys);
    ties.set(this.#ties);
    this.#keys = keys;
    this.#ties = ties;
  }
}
