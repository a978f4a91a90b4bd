import type { JobActions, JobEvent, JobView, Micros, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import { TenantLines } from './tenant-lines.ts';

/**
 * Stride scheduling: the tenant with the smallest pass runs next, and its pass grows by service / weight (Waldspurger and Weihl 1995).
 * A tenant that returns starts at the smallest pass of those present, so that sleeping earns nothing.
 */
export class Stride implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses;
  readonly #quantum: Micros;
  readonly #tenants = new TenantLines();
  /** Ready and running tasks of each tenant: a tenant with none is absent. */
  readonly #present = new Map<string, number>();
  /** Service already charged to a running task's tenant. */
  readonly #charged = new Map<number, number>();
  #virtualTime = 0;

  constructor(name: string, options: { readonly quantum: Micros }) {
    this.name = name;
    this.#quantum = Number.isFinite(options.quantum) ? options.quantum : 0;
    this.uses = this.#quantum > 0 ? { quantum: true, preempt: true } : {};
  }

  on(event: JobEvent): void {
    const task = event.task;
    if (task === undefined) return;
    if (event.kind === 'arrive') this.#arrive(task);
    else if (event.kind === 'expire' || event.kind === 'fail') {
      this.#settle(task);
      this.#tenants.push(task);
    } else {
      if (event.kind === 'finish') this.#settle(task);
      else this.#tenants.remove(task);
      this.#present.set(task.tenant, (this.#present.get(task.tenant) ?? 1) - 1);
    }
  }

  decide(view: JobView, act: JobActions): void {
    while (view.free > 0) {
      const line = this.#tenants.smallest((candidate) => candidate.account);
      const task = line?.ready.peek();
      if (line === undefined || task === undefined || task.width > view.free) return;
      this.#tenants.pop(line);
      this.#virtualTime = line.account;
      // The whole slice is charged at its start, so that other workers do not serve the same tenant at once.
      const charge = this.#quantum > 0 ? this.#quantum : Math.max(1, task.estimate - task.attained);
      line.account += (charge * task.width) / line.weight;
      this.#charged.set(task.seq, task.attained + charge);
      act.run(task, this.#quantum, -1);
    }
  }

  explain(task: Task): readonly string[] {
    const line = this.#tenants.lineOf(task);
    const passes = this.#tenants.all.filter((other) => other.ready.size > 0).map((other) => `${other.tenant} ${other.account.toFixed(0)}`);
    return [`tenant ${task.tenant} has pass ${line.account.toFixed(0)} at weight ${line.weight}`, `waiting tenants: ${passes.join(', ') || 'none'}`];
  }

  snapshot(): PolicySnapshot {
    return { tenants: this.#tenants.snapshot(), present: [...this.#present], charged: [...this.#charged], virtualTime: this.#virtualTime };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    this.#tenants.restore(snapshot['tenants'], view);
    for (const [tenant, count] of snapshot['present'] as readonly (readonly [string, number])[]) this.#present.set(tenant, count);
    for (const [seq, charged] of snapshot['charged'] as readonly (readonly [number, number])[]) this.#charged.set(seq, charged);
    this.#virtualTime = snapshot['virtualTime'] as number;
  }

  #arrive(task: Task): void {
    const line = this.#tenants.push(task);
    const present = this.#present.get(task.tenant) ?? 0;
    if (present === 0) line.account = Math.max(line.account, this.#virtualTime);
    this.#present.set(task.tenant, present + 1);
  }

  /** Gives back what was charged and not used: a task that ends early, or an estimate that was wrong. */
  #settle(task: Task): void {
    const charged = this.#charged.get(task.seq);
    if (charged === undefined) return;
    this.#charged.delete(task.seq);
    const line = this.#tenants.lineOf(task);
    line.account += ((task.attained - charged) * task.width) / line.weight;
  }
}
