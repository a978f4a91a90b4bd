import type { Ordering } from './ordered-queue.ts';
import { OrderedQueue } from './ordered-queue.ts';
import type { QueuePolicy, Task } from './queue-policy.ts';

/** Shortest job first by estimate; a started job is never interrupted (Phipps 1956). */
export function sjf(name: string): QueuePolicy {
  return new OrderedQueue({ name, uses: { estimate: true }, key: estimateOf, describe });
}

/** Shortest job first by estimate, interrupting for a strictly smaller one. */
export function psjf(name: string): QueuePolicy {
  return new OrderedQueue({ name, uses: { estimate: true, preempt: true }, key: estimateOf, runningKey: estimateOf, describe });
}

/** Shortest remaining time first: estimate less what it already got (Schrage 1968). */
export function srpt(name: string): QueuePolicy {
  const ordering: Ordering = {
    name,
    uses: { estimate: true, preempt: true },
    key: (task) => Math.max(0, task.estimate - task.attained),
    runningKey: (task, view) => Math.max(0, task.estimate - view.attained(task)),
    describe: (key) => `${key} us of estimated work left`,
  };
  return new OrderedQueue(ordering);
}

function estimateOf(task: Task): number {
  return task.estimate;
}

function describe(key: number): string {
  return `an estimate of ${key} us`;
}
