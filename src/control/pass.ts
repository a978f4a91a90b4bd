import type { Name } from '#base/name';
import type { Event } from '#model/event';
import type { InstanceId } from '#model/instance';
import type { Moment } from '#model/moment';
import type { NodeCondition } from '#model/node';
import type { Observation } from '#policy/rollout/observation';
import type { ClusterSnapshot } from './cluster-snapshot.ts';
import type { ControlOptions } from './control-options.ts';
import type { EventLog } from './events.ts';
import type { LeaderWriter } from './leader-writer.ts';

/** What one leader knows beyond the store, and forgets with its term. */
export interface TermMemory {
  readonly observations: Map<InstanceId, Observation>;
  /** As of the last pass, to tell what changed. */
  readonly conditions: Map<Name, NodeCondition>;
  readonly agentsSeen: Set<Name>;
  /** The attempt of each instance whose end was told last. */
  readonly endsTold: Map<InstanceId, number>;
}

/** One look at the cluster and what follows from it. Every reconciler gets the same. */
export interface Pass {
  readonly snapshot: ClusterSnapshot;
  /** The leader's clock: the wall at the start of its term plus monotonic time since. */
  readonly now: Moment;
  /** When the term began, on the same clock. */
  readonly termStartedAt: Moment;
  readonly epoch: number;
  readonly options: ControlOptions;
  readonly writer: LeaderWriter;
  readonly events: EventLog;
  readonly memory: TermMemory;
  /** Of every node of the snapshot. */
  readonly conditions: ReadonlyMap<Name, NodeCondition>;
  /** Asks for another pass at `moment`, though nothing may change before. */
  readonly wakeAt: (moment: Moment) => void;
  /** Runs one object's work; a failure is logged, told as an event and tried again later, and stops no other object. */
  readonly attempt: (object: string, work: () => Promise<void>) => Promise<void>;
}

/** Notes a fact about an object. */
export function note(
  pass: Pick<Pass, 'events' | 'now'>,
  object: string,
  { level = 'info', kind, message }: Pick<Event, 'kind' | 'message'> & Partial<Pick<Event, 'level'>>,
): void {
  pass.events.add({ object, at: pass.now, level, kind, message });
}
