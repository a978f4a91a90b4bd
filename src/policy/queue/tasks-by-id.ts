import type { JobView, Task } from './queue-policy.ts';

/** The tasks of a snapshot's list of ids, in its order, without those that have gone since. */
export function tasksById(ids: unknown, view: JobView): readonly Task[] {
  const byId = new Map([...view.tasks()].map((task) => [task.id, task]));
  const tasks: Task[] = [];
  for (const id of ids as readonly string[]) {
    const task = byId.get(id);
    if (task !== undefined) tasks.push(task);
  }
  return tasks;
}
