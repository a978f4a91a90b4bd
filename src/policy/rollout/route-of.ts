import type { Name } from '#base/name';
import { type Instance, type InstanceStatus, instanceName } from '#model/instance';
import type { Backend, Route } from '#model/route';
import type { Check, ServiceSpec } from '#model/spec';
import { DEFAULT_BALANCE } from '../balance/balancers.ts';
import { canonical } from './template.ts';

/** What a route is made from. */
export interface RouteParts {
  readonly app: Name;
  readonly service: Name;
  readonly spec: ServiceSpec;
  readonly internalPort: number | undefined;
  readonly instances: readonly { readonly instance: Instance; readonly status: InstanceStatus | undefined }[];
}

/** The route of a listening service: every instance that runs or drains and has an address. Equal parts make equal JSON. */
export function routeOf({ app, service, spec, internalPort, instances }: RouteParts): Route {
  return {
    app,
    service,
    matches: spec.routes,
    ...(internalPort === undefined ? {} : { internalPort }),
    ...(spec.tcpPorts === undefined ? {} : { tcpPorts: spec.tcpPorts }),
    balance: spec.balance ?? DEFAULT_BALANCE,
    ...spec.traffic,
    ...(spec.checks.ready === undefined ? {} : { check: spec.checks.ready }),
    backends: instances
      .map(({ instance, status }) => backendOf(instance, status, spec.checks.ready))
      .filter((backend) => backend !== undefined)
      .sort((a, b) => a.order - b.order || a.serial - b.serial)
      .map(({ order: _slot, serial: _serial, ...backend }) => backend),
  };
}

function backendOf(
  instance: Instance,
  status: InstanceStatus | undefined,
  check: Check | undefined,
): (Backend & { readonly order: number; readonly serial: number }) | undefined {
  // Intent `stop` is only given once no gateway sends it anything, so it leaves the route with that.
  if (instance.intent.kind === 'stop' || status?.phase !== 'running' || status.address === undefined) return undefined;
  const own = instance.spec.checks.ready;
  return {
    order: instance.slot,
    serial: instance.serial,
    id: instance.id,
    name: instanceName(instance),
    attempt: status.attempt,
    address: { host: status.address.host, port: status.address.port },
    weight: 1,
    tier: instance.tier,
    ...(own === undefined || canonical(own) === canonical(check) ? {} : { check: own }),
    // What is carried to it ends by itself before its stop would cut it.
    ...(instance.intent.kind === 'drain' ? { drainMs: instance.spec.stop.drainTimeoutMs } : {}),
    state: instance.intent.kind === 'drain' ? 'draining' : 'active',
  };
}
