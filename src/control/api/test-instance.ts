import type { Name } from '#base/name';
import { type Instance, instanceIdOf } from '#model/instance';

/** An instance as control may have written it, for tests that care for little of it. */
export function instanceOf(app: string, node: string, more: Partial<Instance> = {}): Instance {
  const id = instanceIdOf(app as Name, 'web' as Name, 1, 1);
  return {
    id,
    app,
    service: 'web',
    slot: 1,
    serial: 1,
    release: 1,
    node,
    epoch: 2,
    environment: {},
    secrets: [],
    tier: 'primary',
    intent: { kind: 'run' },
    createdAt: 1,
    reason: 'test',
    restartNonce: 0,
    spec: { resources: { cpu: 1, memoryBytes: 1 } },
    ...more,
  } as unknown as Instance;
}
