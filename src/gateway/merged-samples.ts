import { BUCKETS } from './dataplane/histogram.ts';
import type { BackendSample, Changes, Counts, HistogramSample, SampleChanges, ServiceSample, TcpSample, WorkerSample } from './worker-protocol.ts';

/** The sum of several workers' counters. */
export function mergeSamples(samples: readonly WorkerSample[]): WorkerSample {
  const [only] = samples;
  if (only !== undefined && samples.length === 1) return only;
  const services: Record<string, ServiceSample> = Object.create(null);
  const backends: Record<string, BackendSample> = Object.create(null);
  const sum = {
    clients: 0,
    clientsAccepted: 0,
    clientAddresses: 0,
    requests: 0,
    http2Requests: 0,
    unrouted: 0,
    accessLogDropped: 0,
    memoryBytes: 0,
    cpuMs: 0,
    rings: 0,
  };
  let refusals: Counts = {};
  let tlsHandshakes: Counts = {};
  let tlsErrors: Counts = {};
  let connectionRefusals: Counts = {};
  for (const sample of samples) {
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += sample[name];
    refusals = addCounts(refusals, sample.refusals);
    tlsHandshakes = addCounts(tlsHandshakes, sample.tlsHandshakes);
    tlsErrors = addCounts(tlsErrors, sample.tlsErrors);
    connectionRefusals = addCounts(connectionRefusals, sample.connectionRefusals);
    for (const [key, service] of Object.entries(sample.services)) services[key] = addService(services[key], service);
    for (const [key, backend] of Object.entries(sample.backends)) backends[key] = addBackend(backends[key], backend);
  }
  return { ...sum, revision: Math.min(...samples.map(({ revision }) => revision)), refusals, tlsHandshakes, tlsErrors, connectionRefusals, services, backends };
}

/** A worker's counters, of those before and what has changed since. */
export function withChanges(before: WorkerSample | undefined, changes: SampleChanges): WorkerSample {
  return { ...changes, services: changedBy(before?.services, changes.services), backends: changedBy(before?.backends, changes.backends) };
}

/** What stays of a worker that has ended: what it counted, and nothing of what it had. */
export function withoutGauges(sample: WorkerSample): WorkerSample {
  const services = Object.entries(sample.services).map(([key, service]) => [key, { ...service, inFlight: 0, held: 0, tunnels: 0 }] as const);
  const backends = Object.entries(sample.backends).map(([key, backend]) => [key, { ...backend, inFlight: 0, idle: 0 }] as const);
  return {
    ...sample,
    clients: 0,
    clientAddresses: 0,
    memoryBytes: 0,
    rings: 0,
    services: Object.fromEntries(services),
    backends: Object.fromEntries(backends),
  };
}

/** A histogram with all its buckets. */
export function denseCounts({ pairs }: HistogramSample): Float64Array {
  const counts = new Float64Array(BUCKETS);
  for (let i = 0; i + 1 < pairs.length; i += 2) counts[pairs[i] as number] = pairs[i + 1] as number;
  return counts;
}

function changedBy<Sample>(before: Readonly<Record<string, Sample>> | undefined, { changed, gone }: Changes<Sample>): Readonly<Record<string, Sample>> {
  const now: Record<string, Sample> = Object.assign(Object.create(null), before, changed);
  for (const key of gone) delete now[key];
  return now;
}

function addService(a: ServiceSample | undefined, b: ServiceSample): ServiceSample {
  if (a === undefined) return b;
  return {
    tier: b.tier,
    inFlight: a.inFlight + b.inFlight,
    held: a.held + b.held,
    heldTotal: a.heldTotal + b.heldTotal,
    tcp: addTcp(a.tcp, b.tcp),
    overflows: a.overflows + b.overflows,
    rateLimited: a.rateLimited + b.rateLimited,
    clientAborts: a.clientAborts + b.clientAborts,
    tunnels: a.tunnels + b.tunnels,
    tunnelsDrained: addCounts(a.tunnelsDrained, b.tunnelsDrained),
    panics: a.panics + b.panics,
    budgetExhausted: a.budgetExhausted + b.budgetExhausted,
    answers: a.answers.map((count, i) => count + (b.answers[i] ?? 0)),
    retries: addCounts(a.retries, b.retries),
    durations: addHistogram(a.durations, b.durations),
    firstBytes: addHistogram(a.firstBytes, b.firstBytes),
    waits: addHistogram(a.waits, b.waits),
  };
}

function addTcp(a: TcpSample | undefined, b: TcpSample | undefined): TcpSample | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return {
    opened: a.opened + b.opened,
    bytesFromClients: a.bytesFromClients + b.bytesFromClients,
    bytesToClients: a.bytesToClients + b.bytesToClients,
    ended: addCounts(a.ended, b.ended),
  };
}

function addBackend(a: BackendSample | undefined, b: BackendSample): BackendSample {
  if (a === undefined) return b;
  return {
    ...b,
    inFlight: a.inFlight + b.inFlight,
    idle: a.idle + b.idle,
    answers: a.answers + b.answers,
    failures: a.failures + b.failures,
    ejections: addCounts(a.ejections, b.ejections),
    departures: a.departures + b.departures,
    connectionsOpened: a.connectionsOpened + b.connectionsOpened,
    connectionsReused: a.connectionsReused + b.connectionsReused,
    connectionRaces: a.connectionRaces + b.connectionRaces,
    durations: addHistogram(a.durations, b.durations),
    connects: addHistogram(a.connects, b.connects),
  };
}

function addHistogram(a: HistogramSample, b: HistogramSample): HistogramSample {
  const counts = denseCounts(a);
  for (let i = 0; i + 1 < b.pairs.length; i += 2) counts[b.pairs[i] as number] = (counts[b.pairs[i] as number] as number) + (b.pairs[i + 1] as number);
  const pairs: number[] = [];
  counts.forEach((count, bucket) => {
    if (count > 0) pairs.push(bucket, count);
  });
  return { pairs, sumMs: a.sumMs + b.sumMs };
}

function addCounts(a: Counts, b: Counts): Counts {
  const sum: Record<string, number> = Object.assign(Object.create(null), a);
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}
