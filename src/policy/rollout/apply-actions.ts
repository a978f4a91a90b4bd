import type { Name } from '#base/name';
import { type Instance, type InstanceId, instanceIdOf } from '#model/instance';
import type { Moment } from '#model/moment';
import type { RolloutAction } from './action.ts';

/** Who applies the actions, and when. */
export interface Applying {
  readonly app: Name;
  readonly service: Name;
  /** Of the leader (N6). */
  readonly epoch: number;
  readonly now: Moment;
}

/** The instances that change and how; `undefined` for one that is deleted. Several actions on one instance become one change. */
export function applyActions(
  instances: readonly Instance[],
  actions: readonly RolloutAction[],
  applying: Applying,
): ReadonlyMap<InstanceId, Instance | undefined> {
  const before = new Map(instances.map((instance) => [instance.id, instance]));
  const changes = new Map<InstanceId, Instance | undefined>();
  for (const action of actions) {
    if (action.kind === 'place') {
      const placed = newInstance(action, applying);
      changes.set(placed.id, placed);
      continue;
    }
    if (!('id' in action)) continue;
    const instance = changes.has(action.id) ? changes.get(action.id) : before.get(action.id);
    if (instance !== undefined) changes.set(action.id, changed(instance, action, applying));
  }
  return changes;
}

function newInstance({ slot, serial, node, template, tier, reason }: RolloutAction & { kind: 'place' }, { app, service, epoch, now }: Applying): Instance {
  return {
    id: instanceIdOf(app, service, slot, serial),
    app,
    service,
    slot,
    serial,
    release: template.release,
    node,
    epoch,
    ...(template.artifact === undefined ? {} : { artifact: template.artifact }),
    spec: template.spec,
    environment: template.environment,
    secrets: template.secrets,
    ...(template.generation === undefined ? {} : { generation: template.generation }),
    tier,
    intent: { kind: 'run' },
    createdAt: now,
    reason,
    restartNonce: 0,
  };
}

type Change = Extract<RolloutAction, { readonly id: InstanceId }>;

function changed(instance: Instance, action: Change, { epoch, now }: Applying): Instance | undefined {
  switch (action.kind) {
    case 'adopt': {
      const { release, spec } = action.template;
      return { ...instance, epoch, release, spec };
    }
    case 'drain':
      return instance.intent.kind === 'run' ? { ...instance, epoch, intent: { kind: 'drain', since: now, reason: action.reason } } : instance;
    case 'stop':
      return instance.intent.kind === 'stop' ? instance : { ...instance, epoch, intent: { kind: 'stop', since: now, reason: action.reason } };
    case 'set-tier':
      return { ...instance, epoch, tier: action.tier };
    case 'delete':
      return undefined;
  }
}
