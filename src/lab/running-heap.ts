import type { SimTask } from './sim-task.ts';

/** Running tasks by the end of their slice, then by submission; any of them can be taken out. */
export class RunningHeap {
  readonly tasks: SimTask[] = [];

  get nextAt(): number {
    const top = this.tasks[0];
    return top === undefined ? Number.POSITIVE_INFINITY : top.endAt;
  }

  push(task: SimTask): void {
    this.tasks.push(task);
    this.#rise(task, this.tasks.length - 1);
  }

  pop(): SimTask | undefined {
    const top = this.tasks[0];
    if (top !== undefined) this.remove(top);
    return top;
  }

  remove(task: SimTask): void {
    const tasks = this.tasks;
    const index = task.heapIndex;
    const last = tasks.pop() as SimTask;
    task.heapIndex = -1;
    if (last === task) return;
    if (index > 0 && isBefore(last, tasks[(index - 1) >> 1] as SimTask)) this.#rise(last, index);
    else this.#sink(last, index);
  }

  #rise(task: SimTask, from: number): void {
    const tasks = this.tasks;
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = tasks[parentIndex] as SimTask;
      if (!isBefore(task, parent)) break;
      tasks[index] = parent;
      parent.heapIndex = index;
      index = parentIndex;
    }
    tasks[index] = task;
    task.heapIndex = index;
  }

  #sink(task: SimTask, from: number): void {
    const tasks = this.tasks;
    const size = tasks.length;
    let index = from;
    for (let child = 2 * index + 1; child < size; child = 2 * index + 1) {
      if (child + 1 < size && isBefore(tasks[child + 1] as SimTask, tasks[child] as SimTask)) child += 1;
      const below = tasks[child] as SimTask;
      if (!isBefore(below, task)) break;
      tasks[index] = below;
      below.heapIndex = index;
      index = child;
    }
    tasks[index] = task;
    task.heapIndex = index;
  }
}

function isBefore(a: SimTask, b: SimTask): boolean {
  return a.endAt < b.endAt || (a.endAt === b.endAt && a.seq < b.seq);
}
