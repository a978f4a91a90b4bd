import type { JobView, Task } from './queue-policy.ts';
import { TaskRing } from './task-ring.ts';
import { tasksById } from './tasks-by-id.ts';

/** The waiting tasks of one tenant, and what a fair policy keeps about the tenant. */
export interface TenantLine {
  readonly tenant: string;
  /** Order in which the tenants were first seen: the tie-break between tenants. */
  readonly index: number;
  readonly ready: TaskRing;
  weight: number;
  /** Virtual time, deficit or decayed usage: whatever the policy balances between tenants. */
  account: number;
}

/** The lines of all tenants that were ever seen. */
export class TenantLines {
  readonly #byTenant = new Map<string, TenantLine>();
  readonly #lines: TenantLine[] = [];
  #waiting = 0;

  get all(): readonly TenantLine[] {
    return this.#lines;
  }

  get waiting(): number {
    return this.#waiting;
  }

  lineOf(task: Task): TenantLine {
    let line = this.#byTenant.get(task.tenant);
    if (line === undefined) {
      line = { tenant: task.tenant, index: this.#lines.length, ready: new TaskRing(), weight: task.weight, account: 0 };
      this.#byTenant.set(task.tenant, line);
      this.#lines.push(line);
    }
    return line;
  }

  push(task: Task): TenantLine {
    const line = this.lineOf(task);
    line.weight = task.weight;
    line.ready.push(task);
    this.#waiting += 1;
    return line;
  }

  pushFront(task: Task): TenantLine {
    const line = this.lineOf(task);
    line.ready.pushFront(task);
    this.#waiting += 1;
    return line;
  }

  pop(line: TenantLine): Task | undefined {
    const task = line.ready.pop();
    if (task !== undefined) this.#waiting -= 1;
    return task;
  }

  remove(task: Task): void {
    if (this.lineOf(task).ready.remove(task)) this.#waiting -= 1;
  }

  /** Corrects the account of a task's tenant; one with nothing waiting gains nothing to keep. */
  settle(task: Task, difference: number): void {
    const line = this.lineOf(task);
    line.account += difference;
    if (line.ready.size === 0) line.account = Math.min(0, line.account);
  }

  /** The waiting tenant with the smallest account, the earliest seen among equals. */
  smallest(measure: (line: TenantLine) => number): TenantLine | undefined {
    let best: TenantLine | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const line of this.#lines) {
      if (line.ready.size === 0) continue;
      const value = measure(line);
      if (best === undefined || value < least) {
        best = line;
        least = value;
      }
    }
    return best;
  }

  snapshot(): readonly unknown[] {
    return this.#lines.map((line) => ({ tenant: line.tenant, weight: line.weight, account: line.account, ready: line.ready.ids() }));
  }

  restore(snapshot: unknown, view: JobView): void {
    for (const saved of snapshot as readonly { tenant: string; weight: number; account: number; ready: readonly string[] }[]) {
      const line: TenantLine = { tenant: saved.tenant, index: this.#lines.length, ready: new TaskRing(), weight: saved.weight, account: saved.account };
      this.#byTenant.set(saved.tenant, line);
      this.#lines.push(line);
      for (const task of tasksById(saved.ready, view)) {
        line.ready.push(task);
        this.#waiting += 1;
      }
    }
  }
}
