import { type Name, parseName } from '#base/name';
import { exampleService } from '#model/example-service';
import { type Instance, instanceIdOf } from '#model/instance';
import type { ServiceSpec } from '#model/spec';
import type { UnixMs } from '#world/world';

type InstanceChanges = Partial<Omit<Instance, 'spec'>> & { readonly spec?: Partial<ServiceSpec> };

export const EXAMPLE_NODE: Name = parseName('worker-1', 'a node');

const web = parseName('web', 'a service');

const SPEC = exampleService(web, {
  run: { kind: 'process', command: ['server'] },
  count: 1,
  resources: { cpu: 0.1, memoryBytes: 0 },
  checks: { startup: { intervalMs: 250, timeoutMs: 1_000, startTimeoutMs: 10_000 } },
  stop: { unrouteTimeoutMs: 1_000, drainTimeoutMs: 1_000, killTimeoutMs: 2_000 },
  fetchTimeoutMs: 60_000,
});

/** Instance `shop.web.1-1` of the example node, with these changes; `spec` is merged. */
export function exampleInstance({ spec = {}, ...changes }: InstanceChanges = {}): Instance {
  const app = changes.app ?? parseName('shop', 'an app');
  const { service = web, slot = 1, serial = 1 } = changes;
  return {
    app,
    service,
    slot,
    serial,
    id: instanceIdOf(app, service, slot, serial),
    release: 1,
    node: EXAMPLE_NODE,
    epoch: 1,
    spec: { ...SPEC, ...spec },
    environment: {},
    secrets: [],
    tier: 'primary',
    intent: { kind: 'run' },
    createdAt: 0 as UnixMs,
    reason: 'release 1',
    restartNonce: 0,
    ...changes,
  };
}

/** The same instance with the wish to stop. */
export function stopping(instance: Instance): Instance {
  return { ...instance, intent: { kind: 'stop', since: 0 as UnixMs, reason: 'the test is over' } };
}
