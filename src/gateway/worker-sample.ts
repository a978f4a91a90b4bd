import type { Backend } from './dataplane/backend.ts';
import type { Dataplane } from './dataplane/dataplane.ts';
import type { Histogram } from './dataplane/histogram.ts';
import type { Service } from './dataplane/service.ts';
import type { BackendObservation, BackendSample, HistogramSample, ServiceSample, WorkerSample } from './worker-protocol.ts';

let lastResidentBytes = 0;

/** The counters of a data plane as they are sent to the parent. */
export function takeSample(dataplane: Dataplane): WorkerSample {
  const { plane } = dataplane;
  const usage = process.cpuUsage();
  const services: Record<string, ServiceSample> = Object.create(null);
  const backends: Record<string, BackendSample> = Object.create(null);
  for (const service of dataplane.services.values()) {
    services[service.key] = serviceSample(service);
    for (const backend of service.backends) backends[backend.key] = backendSample(backend, service.key);
  }
  return {
    revision: dataplane.revision,
    clients: plane.clients.size + plane.opening.size,
    clientsAccepted: plane.clientsAccepted,
    clientAddresses: plane.connections.clients,
    connectionRefusals: { ...plane.connections.refused },
    requests: plane.requests,
    http2Requests: plane.http2Requests,
    unrouted: plane.unrouted,
    refusals: Object.fromEntries(plane.refusals),
    tlsHandshakes: { ...plane.tls.handshakes },
    tlsErrors: Object.fromEntries(plane.tls.errors),
    accessLogDropped: plane.accessLog?.dropped ?? 0,
    memoryBytes: residentBytes(),
    cpuMs: (usage.user + usage.system) / 1_000,
    rings: plane.hasRing ? 1 : 0,
    services,
    backends,
  };
}

/** Of this process. */
function residentBytes(): number {
  try {
    lastResidentBytes = process.memoryUsage.rss();
  } catch {
    // The system is asked by a file, and there may be too many open: then it is what it was last.
  }
  return lastResidentBytes;
}

/** What the parent should know of a backend at once. */
export function observe(backend: Backend): BackendObservation {
  return {
    key: backend.key,
    ejected: backend.suspicion === 'silent' || backend.ejection.ejectedUntil !== 0,
    reason: reasonOf(backend),
    inFlight: backend.inFlight,
  };
}

function reasonOf(backend: Backend): string {
  if (backend.suspicion === 'silent') return 'it stopped answering while its peers answer';
  if (backend.ejection.ejectedUntil === 0) return '';
  const { cause, consecutiveFailures, consecutiveErrors } = backend.ejection;
  if (cause === 'slow') return 'even its quick answers are far slower than those of its peers';
  return cause === 'errors' ? `${consecutiveErrors} answers in a row were errors (5xx)` : `${consecutiveFailures} requests failed in a row`;
}

function serviceSample({ tier, inFlight, heldCount, counts, tcp }: Service): ServiceSample {
  return {
    tier,
    inFlight,
    held: heldCount,
    heldTotal: counts.held,
    tcp: tcp.opened === 0 ? undefined : { ...tcp, ended: { ...tcp.ended } },
    overflows: counts.overflows,
    rateLimited: counts.rateLimited,
    clientAborts: counts.clientAborts,
    tunnels: counts.tunnels,
    tunnelsDrained: { ...counts.tunnelsDrained },
    panics: counts.panics,
    budgetExhausted: counts.budgetExhausted,
    answers: [...counts.answers],
    retries: Object.fromEntries(counts.retriesByReason),
    durations: sampleOf(counts.durations),
    firstBytes: sampleOf(counts.firstBytes),
    waits: sampleOf(counts.waits),
  };
}

function backendSample(backend: Backend, service: string): BackendSample {
  return {
    id: backend.id,
    name: backend.name,
    service,
    inFlight: backend.inFlight,
    idle: backend.idle.length,
    answers: backend.answers,
    failures: backend.failures,
    ejections: { ...backend.ejections },
    departures: backend.departures,
    connectionsOpened: backend.connectionsOpened,
    connectionsReused: backend.connectionsReused,
    connectionRaces: backend.connectionRaces,
    durations: sampleOf(backend.durations),
    connects: sampleOf(backend.connects),
  };
}

function sampleOf(histogram: Histogram): HistogramSample {
  const pairs: number[] = [];
  histogram.counts.forEach((count, bucket) => {
    if (count > 0) pairs.push(bucket, count);
  });
  return { pairs, sumMs: histogram.sumMs };
}
