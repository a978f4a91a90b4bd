import { OrderedQueue } from './ordered-queue.ts';
import type { QueuePolicy } from './queue-policy.ts';

/** Service in random order: each task draws its place on arrival, so a task that waits keeps its place. */
export function randomOrder(name: string): QueuePolicy {
  return new OrderedQueue({ name, uses: {}, key: (_task, context) => context.random(), describe: (key) => `lot ${key.toFixed(6)}` });
}
