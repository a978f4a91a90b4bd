import type { JobActions, JobEvent, JobView, Micros, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import type { TenantLine } from './tenant-lines.ts';
import { TenantLines } from './tenant-lines.ts';

/**
 * Weighted deficit round robin over tenants: each visit adds quantum × weight to the tenant's deficit, which its tasks then spend (Shreedhar
 * and Varghese 1995). A task is charged its estimate when it starts, or what tasks took so far on average if it has none, and the
 * difference to the service it really got is settled when it stops. A tenant with nothing waiting keeps no deficit, but keeps a debt.
 *
 * D1: `note` is what a running task was charged, `noteAt` the service it had when it started.
 */
export class DeficitRoundRobin implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses = {};
  readonly #quantum: Micros;
  readonly #tenants = new TenantLines();
  #turn = 0;
  #isTopped = false;
  /** Service and number of the tasks that ended: what one of unknown length is expected to take. */
  #service: Micros = 0;
  #ended = 0;

  constructor(name: string, options: { readonly quantum: Micros }) {
    this.name = name;
    this.#quantum = options.quantum;
  }

  on(event: JobEvent): void {
    const task = event.task;
    if (task === undefined) return;
    if (event.kind === 'finish' || event.kind === 'expire' || event.kind === 'fail') this.#settle(task);
    if (event.kind === 'arrive' || event.kind === 'expire') this.#tenants.push(task);
    else if (event.kind === 'fail') this.#tenants.pushFront(task);
    else if (event.kind === 'leave') this.#tenants.remove(task);
    else if (event.kind === 'finish') {
      this.#service += task.attained;
      this.#ended += 1;
    }
  }

  decide(view: JobView, act: JobActions): void {
    let fruitless = 0;
    while (view.free > 0 && this.#tenants.waiting > 0) {
      const line = this.#tenants.all[this.#turn];
      if (line === undefined) return;
      if (!this.#isTopped) {
        if (line.ready.size > 0) line.account += this.#quantum * line.weight;
        this.#isTopped = true;
      }
      const waiting = this.#tenants.waiting;
      if (!this.#serve(line, view, act)) return;
      if (line.ready.size === 0) line.account = Math.min(0, line.account);
      this.#turn = (this.#turn + 1) % this.#tenants.all.length;
      this.#isTopped = false;
      fruitless = this.#tenants.waiting < waiting ? 0 : fruitless + 1;
      if (fruitless < this.#tenants.all.length) continue;
      this.#skipRounds();
      fruitless = 0;
    }
  }

  explain(task: Task): readonly string[] {
    const line = this.#tenants.lineOf(task);
    if (task.state === 'running') return [`was charged ${task.note} us in advance; the difference is settled when it stops`];
    return [
      `tenant ${task.tenant} has ${line.account} us of deficit and gets ${this.#quantum * line.weight} us a round; the task is charged ${this.#chargeOf(task)} us in advance`,
      `${line.ready.indexOf(task)} of its own tasks are before it`,
    ];
  }

  snapshot(): PolicySnapshot {
    return { tenants: this.#tenants.snapshot(), turn: this.#turn, isTopped: this.#isTopped, service: this.#service, ended: this.#ended };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    this.#tenants.restore(snapshot['tenants'], view);
    this.#turn = snapshot['turn'] as number;
    this.#isTopped = snapshot['isTopped'] as boolean;
    this.#service = snapshot['service'] as number;
    this.#ended = snapshot['ended'] as number;
  }

  /** Runs what the deficit pays for. False when workers ran out first: the same tenant goes on at the next decision. */
  #serve(line: TenantLine, view: JobView, act: JobActions): boolean {
    for (let task = line.ready.peek(); task !== undefined; task = line.ready.peek()) {
      const charge = this.#chargeOf(task);
      if (charge > line.account) return true;
      if (task.width > view.free) return false;
      this.#tenants.pop(line);
      line.account -= charge;
      task.note = charge; // D1
      task.noteAt = task.attained;
      act.run(task, 0, -1);
    }
    return true;
  }

  /** Adds as many rounds at once as pass before some tenant can pay: tasks may be far larger than the quantum. */
  #skipRounds(): void {
    let rounds = Number.POSITIVE_INFINITY;
    for (const line of this.#tenants.all) {
      const task = line.ready.peek();
      if (task !== undefined) rounds = Math.min(rounds, Math.ceil((this.#chargeOf(task) - line.account) / (this.#quantum * line.weight)) - 1);
    }
    if (!(rounds > 0 && rounds < Number.POSITIVE_INFINITY)) return;
    for (const line of this.#tenants.all) if (line.ready.size > 0) line.account += rounds * this.#quantum * line.weight;
  }

  /** Gives back what was charged too much, or takes what was charged too little. Service that a failure lost stays charged as it was. */
  #settle(task: Task): void {
    const served = task.attained - task.noteAt;
    if (served > 0) this.#tenants.settle(task, task.note - served * task.width);
    task.note = 0;
  }

  #chargeOf(task: Task): Micros {
    const left = task.estimate - task.attained;
    if (left > 0) return left * task.width;
    return Math.max(1, this.#ended === 0 ? this.#quantum : Math.round(this.#service / this.#ended)) * task.width;
  }
}
