import { OrderedQueue } from './ordered-queue.ts';
import type { QueuePolicy } from './queue-policy.ts';

/** Earliest deadline first; tasks without a deadline come last. */
export function earliestDeadline(name: string, preempt: boolean): QueuePolicy {
  const deadlineOf = (task: { readonly deadline: number }): number => task.deadline;
  const ordering = { name, uses: { preempt }, key: deadlineOf, describe: (key: number) => (Number.isFinite(key) ? `a deadline at ${key} us` : 'no deadline') };
  return new OrderedQueue(preempt ? { ...ordering, runningKey: deadlineOf } : ordering);
}
