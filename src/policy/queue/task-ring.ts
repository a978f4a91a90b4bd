import type { Task } from './queue-policy.ts';

/** Ready tasks in order of entry, with constant-time access to both ends. */
export class TaskRing {
  #slots: (Task | undefined)[] = new Array<Task | undefined>(16).fill(undefined);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  peek(): Task | undefined {
    return this.#size === 0 ? undefined : this.#slots[this.#head];
  }

  push(task: Task): void {
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = task;
    this.#size += 1;
  }

  pushFront(task: Task): void {
    if (this.#size === this.#slots.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#slots.length - 1);
    this.#slots[this.#head] = task;
    this.#size += 1;
  }

  pop(): Task | undefined {
    if (this.#size === 0) return undefined;
    const task = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#size -= 1;
    return task;
  }

  at(index: number): Task | undefined {
    return index < this.#size ? this.#slots[(this.#head + index) & (this.#slots.length - 1)] : undefined;
  }

  /** How many tasks are before this one; -1 when it is not here. Linear. */
  indexOf(task: Task): number {
    for (let index = 0; index < this.#size; index += 1) if (this.at(index) === task) return index;
    return -1;
  }

  /** Takes out the task at `index`, and keeps the order of the others. Linear. */
  removeAt(index: number): Task | undefined {
    const task = this.at(index);
    if (task === undefined) return undefined;
    const mask = this.#slots.length - 1;
    for (let at = index; at < this.#size - 1; at += 1) this.#slots[(this.#head + at) & mask] = this.#slots[(this.#head + at + 1) & mask];
    this.#slots[(this.#head + this.#size - 1) & mask] = undefined;
    this.#size -= 1;
    return task;
  }

  remove(task: Task): boolean {
    return this.removeAt(this.indexOf(task)) !== undefined;
  }

  clear(): void {
    while (this.pop() !== undefined);
  }

  /** Ids in order, for a snapshot. */
  ids(): readonly string[] {
    return Array.from({ length: this.#size }, (_, index) => this.at(index)?.id ?? '');
  }

  #grow(): void {
    const slots = new Array<Task | undefined>(this.#slots.length * 2).fill(undefined);
    for (let index = 0; index < this.#size; index += 1) slots[index] = this.at(index);
    this.#slots = slots;
    this.#head = 0;
  }
}
