import type { JobActions, JobEvent, JobView, Micros, PolicySnapshot, PolicyUses, QueuePolicy, Task } from './queue-policy.ts';
import type { TenantLine } from './tenant-lines.ts';
import { TenantLines } from './tenant-lines.ts';

/** Visits to tenants in one decision, before it gives up on tasks far larger than the quantum. */
const MOST_VISITS = 1_000_000;

/**
 * Weighted deficit round robin over tenants: each visit adds quantum × weight to the tenant's deficit, which its tasks then spend
 * by their estimates (Shreedhar and Varghese 1995). A tenant with nothing waiting keeps no deficit.
 */
export class DeficitRoundRobin implements QueuePolicy {
  readonly name: string;
  readonly uses: PolicyUses = { estimate: true };
  readonly #quantum: Micros;
  readonly #tenants = new TenantLines();
  #turn = 0;
  #isTopped = false;

  constructor(name: string, options: { readonly quantum: Micros }) {
    this.name = name;
    this.#quantum = options.quantum;
  }

  on(event: JobEvent): void {
    const task = event.task;
    if (task === undefined) return;
    if (event.kind === 'arrive' || event.kind === 'expire') this.#tenants.push(task);
    else if (event.kind === 'fail') this.#tenants.pushFront(task);
    else if (event.kind === 'leave') this.#tenants.remove(task);
  }

  decide(view: JobView, act: JobActions): void {
    for (let visits = 0; view.free > 0 && this.#tenants.waiting > 0 && visits < MOST_VISITS; visits += 1) {
      const line = this.#tenants.all[this.#turn];
      if (line === undefined) return;
      if (!this.#isTopped) {
        line.account = line.ready.size === 0 ? 0 : line.account + this.#quantum * line.weight;
        this.#isTopped = true;
      }
      if (!this.#serve(line, view, act)) return;
      if (line.ready.size === 0) line.account = 0;
      this.#turn = (this.#turn + 1) % this.#tenants.all.length;
      this.#isTopped = false;
    }
  }

  explain(task: Task): readonly string[] {
    const line = this.#tenants.lineOf(task);
    return [
      `tenant ${task.tenant} has ${line.account} us of deficit and gets ${this.#quantum * line.weight} us a round; the task costs ${costOf(task)} us`,
      `${line.ready.indexOf(task)} of its own tasks are before it`,
    ];
  }

  snapshot(): PolicySnapshot {
    return { tenants: this.#tenants.snapshot(), turn: this.#turn, isTopped: this.#isTopped };
  }

  restore(snapshot: PolicySnapshot, view: JobView): void {
    this.#tenants.restore(snapshot['tenants'], view);
    this.#turn = snapshot['turn'] as number;
    this.#isTopped = snapshot['isTopped'] as boolean;
  }

  /** Runs what the deficit pays for. False when workers ran out first: the same tenant goes on at the next decision. */
  #serve(line: TenantLine, view: JobView, act: JobActions): boolean {
    for (let task = line.ready.peek(); task !== undefined && costOf(task) <= line.account; task = line.ready.peek()) {
      if (task.width > view.free) return false;
      this.#tenants.pop(line);
      line.account -= costOf(task);
      act.run(task, 0, -1);
    }
    return true;
  }
}

function costOf(task: Task): number {
  return Math.max(1, task.estimate) * task.width;
}
