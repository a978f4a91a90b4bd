import { parentPort } from 'node:worker_threads';
import { messageOf, PlatformError } from '#base/errors';
import type { LabTask } from '#lab/compare-task';
import { runLabTask } from '#lab/compare-task';

// The entry of a thread that runs whatever the lab can run: one task in, its result out, both plain data.
parentPort?.on('message', ({ id, task }: { readonly id: number; readonly task: LabTask }) => {
  try {
    parentPort?.postMessage({ id, result: runLabTask(task) });
  } catch (error) {
    parentPort?.postMessage({ id, error: { code: error instanceof PlatformError ? error.code : 'INTERNAL', message: messageOf(error) } });
  }
});
