import type { JobActions, JobEvent, JobView, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import type { TenantLine } from './tenant-lines.ts';
import { TenantLines } from './tenant-lines.ts';

/**
 * Dominant resource fairness: the tenant whose largest share of any resource, per weight, is smallest goes next (Ghodsi et al. 2011).
 * Ties go to the tenant seen first. Stops at the first task that does not fit.
 */
export class DominantResourceFairness implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses = {};
  readonly #tenants = new TenantLines();
  /** What the running tasks of each tenant hold, per resource. */
  readonly #held = new Map<string, number[]>();

  constructor(name: string) {
    this.name = name;
  }

  on(event: JobEvent): void {
    const task = event.task;
    if (task === undefined) return;
    if (event.kind === 'arrive') this.#tenants.push(task);
    else if (event.kind === 'leave') this.#tenants.remove(task);
    else this.#hold(task, -1);
    if (event.kind === 'expire' || event.kind === 'fail') this.#tenants.push(task);
  }

  decide(view: JobView, act: JobActions): void {
    while (this.#tenants.waiting > 0) {
      const line = this.#tenants.smallest((candidate) => this.#share(candidate, view));
      const task = line?.ready.peek();
      if (line === undefined || task === undefined || !this.#fits(task, view)) return;
      this.#tenants.pop(line);
      if (act.run(task, 0, -1)) this.#hold(task, 1);
    }
  }

  explain(task: Task, view: JobView): readonly string[] {
    const shares = this.#tenants.all.map((line) => `${line.tenant} ${(100 * this.#share(line, view)).toFixed(1)} %`);
    return [`dominant shares: ${shares.join(', ')}`, `it needs ${demandOf(task).join(', ')} of ${capacityOf(view).join(', ')}`];
  }

  snapshot(): PolicySnapshot {
    return { tenants: this.#tenants.snapshot(), held: [...this.#held] };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    this.#tenants.restore(snapshot['tenants'], view);
    for (const [tenant, held] of snapshot['held'] as readonly (readonly [string, readonly number[]])[]) this.#held.set(tenant, [...held]);
  }

  #share(line: TenantLine, view: JobView): number {
    const held = this.#held.get(line.tenant);
    if (held === undefined) return 0;
    let share = 0;
    for (const [resource, amount] of capacityOf(view).entries()) share = Math.max(share, (held[resource] ?? 0) / amount);
    return share / line.weight;
  }

  #fits(task: Task, view: JobView): boolean {
    if (view.capacity.length === 0) return task.width <= view.free;
    return view.capacity.every((amount, resource) => {
      let used = 0;
      for (const held of this.#held.values()) used += held[resource] ?? 0;
      return used + (task.demand[resource] ?? 0) <= amount;
    });
  }

  #hold(task: Task, sign: 1 | -1): void {
    const held = this.#held.get(task.tenant) ?? [];
    for (const [resource, amount] of demandOf(task).entries()) held[resource] = (held[resource] ?? 0) + sign * amount;
    this.#held.set(task.tenant, held);
  }
}

function demandOf(task: Task): readonly number[] {
  return task.demand.length === 0 ? [task.width] : task.demand;
}

function capacityOf(view: JobView): readonly number[] {
  return view.capacity.length === 0 ? [view.workers] : view.capacity;
}
