import { OrderedQueue } from './ordered-queue.ts';
import type { QueuePolicy } from './queue-policy.ts';

/** Last come, first served; with `preempt`, an arrival interrupts what runs, which resumes later. */
export function lastFirst(name: string, preempt: boolean): QueuePolicy {
  const newest = (task: { readonly seq: number }): number => -task.seq;
  const ordering = { name, uses: { preempt }, key: newest, describe: (key: number) => `submission number ${-key}` };
  return new OrderedQueue(preempt ? { ...ordering, runningKey: newest } : ordering);
}
