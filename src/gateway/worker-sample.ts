import type { Backend } from './dataplane/backend.ts';
import type { Dataplane } from './dataplane/dataplane.ts';
import type { Histogram } from './dataplane/histogram.ts';
import type { Service } from './dataplane/service.ts';
import type { BackendObservation, BackendSample, HistogramSample, SampleChanges, ServiceSample } from './worker-protocol.ts';

let lastResidentBytes = 0;

/** The counters of a data plane as they are sent to the parent: without the services and backends that are as they were, of a thousand nearly all. */
export class Sampler {
  readonly #services = new Sent<Service>();
  readonly #backends = new Sent<Backend>();

  /** What changed since this was asked last. */
  take(dataplane: Dataplane): SampleChanges {
    const services: Record<string, ServiceSample> = Object.create(null);
    const backends: Record<string, BackendSample> = Object.create(null);
    for (const service of dataplane.services.values()) {
      if (this.#services.differs(service, stateOfService(service))) services[service.key] = serviceSample(service);
      for (const backend of service.backends)
        if (this.#backends.differs(backend, stateOfBackend(backend))) backends[backend.key] = backendSample(backend, service.key);
    }
    return {
      ...totals(dataplane),
      services: { changed: services, gone: this.#services.forget(dataplane.services) },
      backends: { changed: backends, gone: this.#backends.forget(dataplane.backends) },
    };
  }
}

/** All of one of which a sample tells; the same state, and the sample is the same. */
type State = readonly (number | string)[];

function stateOfService({ counts, tcp, tier, inFlight, heldCount }: Service): State {
  return [counts.events + tcp.events, counts.tunnels, tier, inFlight, heldCount];
}

function stateOfBackend({ events, inFlight, idle }: Backend): State {
  return [events, inFlight, idle.length];
}

/** The states of those that the parent has the samples of. */
class Sent<Source extends { readonly key: string }> {
  readonly #sent = new Map<string, { readonly source: Source; readonly state: State }>();

  /** Remembers this state if it is another than before, or another's. */
  differs(source: Source, state: State): boolean {
    const before = this.#sent.get(source.key);
    if (before?.source === source && before.state.every((each, i) => each === state[i])) return false;
    this.#sent.set(source.key, { source, state });
    return true;
  }

  /** Those that are no more. */
  forget(those: ReadonlyMap<string, Source>): readonly string[] {
    const gone = [...this.#sent.keys()].filter((key) => !those.has(key));
    for (const key of gone) this.#sent.delete(key);
    return gone;
  }
}

function totals(dataplane: Dataplane): Omit<SampleChanges, 'services' | 'backends'> {
  const { plane } = dataplane;
  const usage = process.cpuUsage();
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
