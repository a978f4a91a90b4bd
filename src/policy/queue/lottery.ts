import type { JobActions, JobEvent, JobView, Micros, PolicyContext, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import { TenantLines } from './tenant-lines.ts';

/** Lottery scheduling: each free worker draws among the waiting tenants in proportion to their weights (Waldspurger and Weihl 1994). */
export class Lottery implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses;
  readonly #quantum: Micros;
  readonly #tenants = new TenantLines();

  constructor(name: string, options: { readonly quantum: Micros }) {
    this.name = name;
    this.#quantum = Number.isFinite(options.quantum) ? options.quantum : 0;
    this.uses = this.#quantum > 0 ? { quantum: true, preempt: true } : {};
  }

  on(event: JobEvent): void {
    const task = event.task;
    if (task === undefined) return;
    if (event.kind === 'arrive' || event.kind === 'expire' || event.kind === 'fail') this.#tenants.push(task);
    else if (event.kind === 'leave') this.#tenants.remove(task);
  }

  decide(view: JobView, act: JobActions, context: PolicyContext): void {
    while (view.free > 0 && this.#tenants.waiting > 0) {
      let ticket = context.random() * this.#tickets();
      let winner = this.#tenants.smallest(() => 0);
      for (const line of this.#tenants.all) {
        if (line.ready.size === 0) continue;
        winner = line;
        ticket -= line.weight;
        if (ticket < 0) break;
      }
      const task = winner?.ready.peek();
      if (winner === undefined || task === undefined || task.width > view.free) return;
      this.#tenants.pop(winner);
      act.run(task, this.#quantum, -1);
    }
  }

  explain(task: Task): readonly string[] {
    const line = this.#tenants.lineOf(task);
    const share = (100 * line.weight) / Math.max(line.weight, this.#tickets());
    return [`tenant ${task.tenant} wins ${share.toFixed(1)} % of the draws`, `${line.ready.indexOf(task)} of its own tasks are before it`];
  }

  snapshot(): PolicySnapshot {
    return { tenants: this.#tenants.snapshot() };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    this.#tenants.restore(snapshot['tenants'], view);
  }

  #tickets(): number {
    let tickets = 0;
    for (const line of this.#tenants.all) if (line.ready.size > 0) tickets += line.weight;
    return tickets;
  }
}
