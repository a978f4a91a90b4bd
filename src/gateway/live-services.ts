import { formatAddress } from '#base/host-port';
import type { Backend, BackendReport, Route } from '#model/route';
import { backendKey } from './dataplane/backend.ts';
import type { LiveBackend, LiveService, SampleWindow, ServiceTraffic } from './live-status.ts';
import type { BackendSample } from './worker-protocol.ts';

const NO_TRAFFIC: ServiceTraffic = {
  tier: 'none',
  requestsPerSecond: 0,
  p50Ms: 0,
  p95Ms: 0,
  p99Ms: 0,
  answers: {},
  retries: 0,
  inFlight: 0,
  held: 0,
};

/** Every service of these routes with its traffic and backends, by `app/service`. `reports` are by the key of a backend. */
export function liveServices(
  routes: readonly Route[],
  { window, reports }: { readonly window: SampleWindow; readonly reports: { get(key: string): BackendReport | undefined } },
): Readonly<Record<string, LiveService>> {
  const services: Record<string, LiveService> = {};
  for (const route of routes) {
    const key = `${route.app}/${route.service}`;
    const backends = route.backends.map((backend) => {
      const backendId = backendKey(backend);
      return liveBackend(backend, reports.get(backendId), window.last?.backends[backendId]);
    });
    services[key] = { ...(window.service(key) ?? NO_TRAFFIC), matches: route.matches.map(({ host, path }) => `${host}${path}`), backends };
  }
  return services;
}

function liveBackend(backend: Backend, report: BackendReport | undefined, sample: BackendSample | undefined): LiveBackend {
  return {
    id: backend.id,
    name: backend.name,
    address: formatAddress(backend.address),
    tier: backend.tier,
    state: backend.state,
    health: report?.health ?? 'unknown',
    reason: report?.reason ?? '',
    inFlight: sample?.inFlight ?? 0,
    answers: sample?.answers ?? 0,
    failures: sample?.failures ?? 0,
    ejections: Object.values(sample?.ejections ?? {}).reduce((sum, count) => sum + count, 0),
  };
}
