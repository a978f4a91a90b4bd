import { PlatformError } from '#base/errors';
import type { App, Release } from '#model/app';
import { keyOf, PREFIX } from '#model/keys';
import type { Route } from '#model/route';
import type { AppSpec, ServiceSpec } from '#model/spec';
import type { Store } from '#store/store';
import { readOne, readPrefix } from './cluster-state.ts';

/**
 * CONFLICT, with the place of each, if another app has one of the spec's routes: it is routed now, or its wanted release will be. Two apps that are both
 * deployed for the first time in the same instant are not told apart.
 */
export async function checkRoutes(store: Store, spec: AppSpec): Promise<void> {
  const ownersByRoute = await otherOwners(store, spec.name);
  const issues = Object.values(spec.services).flatMap((service) =>
    placesOf(service).flatMap((route, index) => {
      const owner = ownersByRoute.get(route);
      const message = `is the route ${route} of "${owner}" already: a request goes to one service only; choose another host or path, or remove it there`;
      return owner === undefined ? [] : [{ path: [service.name, 'routes', String(index)], message }];
    }),
  );
  const [first] = issues;
  if (!first) return;
  throw new PlatformError('CONFLICT', `Cannot deploy ${spec.name}, because ${first.path.join('.')} ${first.message}`, { issues });
}

async function otherOwners(store: Store, app: string): Promise<ReadonlyMap<string, string>> {
  const [apps, routed] = await Promise.all([readPrefix<App>(store, PREFIX.apps), readPrefix<Route>(store, PREFIX.routes)]);
  const wanted = await Promise.all(apps.map(({ value }) => readOne<Release>(store, keyOf.release(value.name, value.release))));
  const owned = [
    ...routed.map(({ value }) => ({
      app: value.app,
      service: value.service,
      places: placesOf({ routes: value.matches, ...(value.tcpPorts === undefined ? {} : { tcpPorts: value.tcpPorts }) }),
    })),
    ...wanted.flatMap((release) => {
      const services = Object.values(release?.value.spec.services ?? {});
      return services.map((service) => ({ app: release?.value.app, service: service.name, places: placesOf(service) }));
    }),
  ];
  return new Map(owned.filter((one) => one.app !== app).flatMap((one) => one.places.map((place) => [place, `${one.app}/${one.service}`] as const)));
}

/** In the order in which they are written: a service has either kind. */
function placesOf({ routes, tcpPorts = [] }: Pick<ServiceSpec, 'routes' | 'tcpPorts'>): readonly string[] {
  return [...routes.map(({ host, path }) => `${host}${path}`), ...tcpPorts.map((port) => `tcp:${port}`)];
}
