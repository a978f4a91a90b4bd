import { availableParallelism } from 'node:os';
import { settledOrAborted } from '#base/signal';
import type { LabResults, LabTask } from '#lab/compare-task';
import type { Output } from '../output.ts';
import { Progress } from './progress.ts';
import { ScenarioPool } from './scenario-pool.ts';

/**
 * Runs tasks in threads, in order, with progress and the time left on stderr. When `signal` aborts, the threads end at once and what is
 * done so far is returned: results in the order of the tasks, undefined where a task was not done.
 */
export async function runTasks<Kind extends LabTask['kind']>(
  tasks: readonly (LabTask & { readonly kind: Kind })[],
  options: { readonly output: Pick<Output, 'progress'>; readonly signal: AbortSignal; readonly label: string },
): Promise<readonly (LabResults[Kind] | undefined)[]> {
  const { output, signal, label } = options;
  const results: (LabResults[Kind] | undefined)[] = tasks.map(() => undefined);
  if (signal.aborted || tasks.length === 0) return results;
  const progress = new Progress(output, { label, total: tasks.length, units: 'runs' });
  await using pool = new ScenarioPool(Math.min(tasks.length, availableParallelism()), 'worker.main');
  const all = Promise.all(
    tasks.map(async (task, index) => {
      const result = (await pool.run(task)) as LabResults[Kind];
      results[index] = result;
      progress.step();
    }),
  );
  await settledOrAborted(all, signal);
  return [...results];
}
