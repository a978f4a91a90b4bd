import { availableParallelism } from 'node:os';
import type { LabResults, LabTask } from '#lab/compare-task';
import type { Output } from '../output.ts';
import { formatTook } from '../output.ts';
import { ScenarioPool } from './scenario-pool.ts';

/** Least time between two lines of progress. */
const PROGRESS_MS = 2_000;

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
  const startedAt = performance.now();
  let done = 0;
  let shownAt = startedAt;
  await using pool = new ScenarioPool(Math.min(tasks.length, availableParallelism()), 'worker.main');
  const all = Promise.all(
    tasks.map(async (task, index) => {
      const result = (await pool.run(task)) as LabResults[Kind];
      results[index] = result;
      done += 1;
      const now = performance.now();
      if (now - shownAt < PROGRESS_MS || done === tasks.length) return;
      shownAt = now;
      output.progress(`${label}: ${done} of ${tasks.length} runs, about ${formatTook(((now - startedAt) / done) * (tasks.length - done))} to go`);
    }),
  );
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<void>((resolve) => {
    onAbort = resolve;
    signal.addEventListener('abort', onAbort, { once: true });
  });
  await Promise.race([all, aborted]);
  signal.removeEventListener('abort', onAbort);
  return [...results];
}
