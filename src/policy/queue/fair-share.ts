import type { JobActions, JobEvent, JobView, Micros, PolicyContext, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import { TenantLines } from './tenant-lines.ts';

/**
 * Decayed fair share: the tenant with the least usage per weight goes next, where usage is service that counts half as much after
 * each half-life. Never preempts, so it cannot preempt for ever.
 */
export class FairShare implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses;
  readonly #halfLife: Micros;
  readonly #quantum: Micros;
  readonly #tenants = new TenantLines();
  /** Up to what service a task's tenant was charged. A slice is charged at its start, so that other workers do not all turn to the same tenant. */
  readonly #charged = new Map<number, Micros>();
  /** Accounts are kept in units that grow instead of decaying one by one: 2^(now / half-life), rebased before they overflow. */
  #base: Micros = 0;

  constructor(name: string, options: { readonly halfLife: Micros; readonly quantum: Micros }) {
    this.name = name;
    this.#halfLife = options.halfLife;
    this.#quantum = Number.isFinite(options.quantum) ? options.quantum : 0;
    this.uses = this.#quantum > 0 ? { quantum: true, preempt: true } : {};
  }

  on(event: JobEvent, context: PolicyContext): void {
    const task = event.task;
    if (task === undefined) return;
    if (event.kind === 'arrive') this.#tenants.push(task);
    else if (event.kind === 'leave') this.#tenants.remove(task);
    else this.#charge(task, task.attained, context.now);
    if (event.kind === 'expire' || event.kind === 'fail') this.#tenants.push(task);
    if (event.kind === 'finish') this.#charged.delete(task.seq);
  }

  decide(view: JobView, act: JobActions, context: PolicyContext): void {
    while (view.free > 0) {
      const line = this.#tenants.smallest((candidate) => candidate.account / candidate.weight);
      const task = line?.ready.peek();
      if (line === undefined || task === undefined || task.width > view.free) return;
      this.#tenants.pop(line);
      this.#charge(task, this.#quantum > 0 ? task.attained + this.#quantum : Math.max(task.attained + 1, task.estimate), context.now);
      act.run(task, this.#quantum, -1);
    }
  }

  explain(task: Task, _view: JobView, context: PolicyContext): readonly string[] {
    const shares = this.#tenants.all.map((line) => `${line.tenant} ${(line.account / line.weight / this.#scale(context.now)).toFixed(0)} us`);
    return [`decayed usage per weight: ${shares.join(', ')}`, `${this.#tenants.lineOf(task).ready.indexOf(task)} tasks of ${task.tenant} are before it`];
  }

  snapshot(): PolicySnapshot {
    return { tenants: this.#tenants.snapshot(), charged: [...this.#charged], base: this.#base };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    this.#tenants.restore(snapshot['tenants'], view);
    for (const [seq, charged] of snapshot['charged'] as readonly (readonly [number, number])[]) this.#charged.set(seq, charged);
    this.#base = snapshot['base'] as number;
  }

  /** Brings the tenant's usage to what it is when the task has got `service`: more at a start, less when it ended early. */
  #charge(task: Task, service: Micros, now: Micros): void {
    const scale = this.#scale(now);
    this.#tenants.lineOf(task).account += (service - (this.#charged.get(task.seq) ?? 0)) * task.width * scale;
    this.#charged.set(task.seq, service);
    if (scale < 2 ** 40) return;
    for (const line of this.#tenants.all) line.account /= scale;
    this.#base = now;
  }

  #scale(now: Micros): number {
    // Straight between whole half-lives: a power with a fraction has other last digits on other engines.
    const halfLives = (now - this.#base) / this.#halfLife;
    const whole = Math.floor(halfLives);
    return (1 + halfLives - whole) * 2 ** whole;
  }
}
