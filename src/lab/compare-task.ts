import { unreachable } from '#base/assert';
import type { Replay, ReplayFigures } from './advise-replay.ts';
import { replayRecording } from './advise-replay.ts';
import type { ComparedRun, RunFigures } from './compare-run.ts';
import { runCompared } from './compare-run.ts';
import type { ListedJob } from './job-source.ts';
import type { DispatchResult } from './llm-trace.ts';
import { dispatchTrace } from './llm-trace.ts';
import type { Scenario, ScenarioResult } from './scenario.ts';
import { runScenario } from './scenario.ts';

/** Work for a thread, as plain data. */
export type LabTask =
  | { readonly kind: 'compare'; readonly run: ComparedRun }
  | { readonly kind: 'scenario'; readonly scenario: Scenario }
  | { readonly kind: 'replay'; readonly replay: Replay }
  | {
      readonly kind: 'dispatch';
      readonly requests: readonly ListedJob[];
      readonly options: { readonly policy: string; readonly replicas: number; readonly seed: number };
    };

/** What each kind of task yields, as plain data. */
export interface LabResults {
  readonly compare: RunFigures;
  readonly scenario: ScenarioResult;
  readonly replay: ReplayFigures;
  readonly dispatch: DispatchResult;
}

/** Runs one task; the same task gives the same result in every thread. */
export function runLabTask(task: LabTask): LabResults[LabTask['kind']] {
  switch (task.kind) {
    case 'compare':
      return runCompared(task.run);
    case 'scenario':
      return runScenario(task.scenario);
    case 'replay':
      return replayRecording(task.replay);
    case 'dispatch':
      return dispatchTrace(task.requests, task.options);
    default:
      return unreachable(task);
  }
}
