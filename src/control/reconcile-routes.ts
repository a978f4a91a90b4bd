import { effectiveApp, type ServiceState } from '#model/app';
import { keyOf } from '#model/keys';
import type { Mirrored } from '#model/mirror';
import type { Backend, Route } from '#model/route';
import type { ServiceSpec } from '#model/spec';
import { routeOf } from '#policy/rollout/route-of';
import { serviceKey } from './cluster-snapshot.ts';
import { putJson, unchanged } from './leader-writer.ts';
import { note, type Pass } from './pass.ts';

/** Running and draining instances → routes. A route is written when it changes and never otherwise: its revision is what gateways acknowledge. */
export async function reconcileRoutes(pass: Pass): Promise<void> {
  await Promise.all(
    [...pass.snapshot.services.values()].map((state) =>
      pass.attempt(`route/${serviceKey(state.value.app, state.value.service)}`, () => reconcileRoute(pass, state.value)),
    ),
  );
}

async function reconcileRoute(pass: Pass, state: ServiceState): Promise<void> {
  const { app, service, internalPort } = state;
  const known = pass.snapshot.routes.get(serviceKey(app, service));
  const instances = pass.snapshot.instancesOf.get(serviceKey(app, service)) ?? [];
  const spec = specOf(pass, state) ?? instances.at(-1)?.value.spec;
  // A route outlives its service until the last instance is gone; it is deleted together with the service's state.
  if (spec === undefined || !(spec.listens || known !== undefined)) return;
  const parts = instances.map(({ value: instance }) => ({ instance, status: pass.snapshot.statuses.get(instance.id)?.value }));
  const route = routeOf({ app, service, spec, internalPort, instances: parts });
  if (known !== undefined && JSON.stringify(known.value) === JSON.stringify(route)) return;
  const key = keyOf.route(app, service);
  const isWritten = await pass.writer.write({ compare: [unchanged(key, known?.modRevision ?? 0)], operations: [putJson(key, route)] });
  const isTold = known !== undefined || route.backends.length > 0;
  if (isWritten && isTold) note(pass, `service/${app}/${service}`, { kind: 'routed', message: describe(known, route) });
}

/** Of the release that is to run: after a failure the one before. */
function specOf(pass: Pass, { app, service, rollout }: ServiceState): ServiceSpec | undefined {
  const current = pass.snapshot.apps.get(app)?.value;
  const wanted = current && effectiveApp(current, pass.snapshot.releases.get(app)?.get(current.release)?.value)?.release;
  const number = rollout.phase === 'failed' && rollout.release === wanted && rollout.revertTo !== undefined ? rollout.revertTo : wanted;
  return number === undefined ? undefined : pass.snapshot.releases.get(app)?.get(number)?.value.spec.services[service];
}

function describe(before: Mirrored<Route> | undefined, route: Route): string {
  const { backends } = route;
  // While the old and the new instance share a name, only their ids tell them apart.
  const nameOf = ({ id, name }: Backend) => (backends.some((other) => other.name === name && other.id !== id) ? id : name);
  const names = backends.map((backend) => `${nameOf(backend)}${backend.state === 'draining' ? ' draining' : ''}`);
  return `${before === undefined ? 'first route' : 'route'}: ${names.length === 0 ? 'no instance' : names.join(', ')}`;
}
