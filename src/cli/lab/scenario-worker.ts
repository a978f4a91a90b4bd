import { parentPort } from 'node:worker_threads';
import { messageOf, PlatformError } from '#base/errors';
import type { Scenario } from '#lab/scenario';
import { runScenario } from '#lab/scenario';

// The entry of a thread of ScenarioPool: one scenario in, its result out.
parentPort?.on('message', ({ id, task }: { readonly id: number; readonly task: Scenario }) => {
  try {
    parentPort?.postMessage({ id, result: runScenario(task) });
  } catch (error) {
    parentPort?.postMessage({ id, error: { code: error instanceof PlatformError ? error.code : 'INTERNAL', message: messageOf(error) } });
  }
});
