import { BUCKETS, bucketBoundMs } from './dataplane/histogram.ts';
import type { BackendSample, ServiceSample, WorkerSample } from './worker-protocol.ts';

/** What the parent adds to its workers' counters. */
export interface GatewayFacts {
  readonly gateway: string;
  readonly configRevision: number;
  readonly configAgeSeconds: number;
  readonly controlConnected: boolean;
  readonly workerRestarts: number;
  /** By backend key: 1 passing, 0 not. */
  readonly backendUp: ReadonlyMap<string, number>;
}

/** Bounds of the published histograms in seconds: fewer than are counted, so that a service costs few lines. */
const BOUNDS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;

interface Family {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly lines: string[];
}

/** The page at /metrics in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/). Labels are names from the configuration only. */
export function renderMetrics(samples: readonly WorkerSample[], facts: GatewayFacts): string {
  const families = new Map<string, Family>();
  const add = (name: string, type: Family['type'], help: string, labels: string, value: number) => {
    const family = families.get(name) ?? { type, help, lines: [] };
    families.set(name, family);
    family.lines.push(`${name}${labels} ${value}`);
  };
  add('haven_gateway_config_revision', 'gauge', 'Revision of the routes in force in all workers', '', facts.configRevision);
  add('haven_gateway_config_age_seconds', 'gauge', 'Since control last confirmed or changed the routes', '', facts.configAgeSeconds);
  add('haven_gateway_control_connected', 'gauge', '1 while control can be reached', '', facts.controlConnected ? 1 : 0);
  add('haven_gateway_worker_restarts_total', 'counter', 'Workers that ended and were started again', '', facts.workerRestarts);
  const total = mergeSamples(samples);
  add('haven_gateway_client_connections', 'gauge', 'Open client connections', '', total.clients);
  add('haven_gateway_client_addresses', 'gauge', 'Clients with a connection: IPv4 addresses and /64 of IPv6 addresses', '', total.clientAddresses);
  for (const [reason, count] of Object.entries(total.connectionRefusals))
    add('haven_gateway_connections_refused_total', 'counter', 'Connections that were not taken or were given up, by the limit', labelsOf({ reason }), count);
  add('haven_gateway_client_connections_total', 'counter', 'Accepted client connections', '', total.clientsAccepted);
  add('haven_gateway_memory_bytes', 'gauge', 'Resident memory of all workers', '', total.memoryBytes);
  add('haven_gateway_cpu_seconds_total', 'counter', 'CPU time of all workers', '', total.cpuMs / 1_000);
  add('haven_gateway_access_log_dropped_total', 'counter', 'Lines of the access log that were not written', '', total.accessLogDropped);
  for (const [reason, count] of Object.entries(total.refusals)) {
    add('haven_gateway_parse_errors_total', 'counter', 'Messages refused, by reason', labelsOf({ reason }), count);
  }
  for (const [service, sample] of Object.entries(total.services)) {
    const labels = labelsOf({ service });
    sample.answersByClass.forEach((count, hundreds) => {
      if (count > 0) add('haven_gateway_requests_total', 'counter', 'Requests by class of status', labelsOf({ service, code_class: `${hundreds}xx` }), count);
    });
    add('haven_gateway_in_flight', 'gauge', 'Requests and tunnels in flight', labels, sample.inFlight);
    add('haven_gateway_held', 'gauge', 'Requests that wait for a usable backend', labels, sample.held);
    add('haven_gateway_held_total', 'counter', 'Requests that had to wait for a usable backend', labels, sample.heldTotal);
    add('haven_gateway_client_aborts_total', 'counter', 'Requests whose client left before the answer', labels, sample.clientAborts);
    add('haven_gateway_retry_budget_exhausted_total', 'counter', 'Retries that were not made for lack of budget', labels, sample.budgetExhausted);
    for (const [reason, count] of Object.entries(sample.retries))
      add('haven_gateway_retries_total', 'counter', 'Tries repeated, by reason', labelsOf({ service, reason }), count);
    addHistogram(add, 'haven_gateway_request_duration_seconds', 'From the head of the request to the end of the answer', { service }, sample);
  }
  for (const [key, sample] of Object.entries(total.backends)) {
    const names = { service: sample.service, backend: sample.name, instance: sample.id };
    const labels = labelsOf(names);
    add('haven_gateway_backend_up', 'gauge', '1 if the active checks pass', labels, facts.backendUp.get(key) ?? 0);
    add('haven_gateway_backend_in_flight', 'gauge', 'Tries and tunnels in flight', labels, sample.inFlight);
    add('haven_gateway_backend_failures_total', 'counter', 'Tries that failed, and answers 502 to 504', labels, sample.failures);
    add('haven_gateway_ejections_total', 'counter', 'Times a backend was taken out because of its answers or silence', labels, sample.ejections);
    add(
      'haven_gateway_pool_connections_total',
      'counter',
      'Requests by the connection they took',
      labelsOf({ ...names, kind: 'new' }),
      sample.connectionsOpened,
    );
    add(
      'haven_gateway_pool_connections_total',
      'counter',
      'Requests by the connection they took',
      labelsOf({ ...names, kind: 'reused' }),
      sample.connectionsReused,
    );
    add('haven_gateway_pool_idle', 'gauge', 'Kept connections', labels, sample.idle);
    addHistogram(add, 'haven_gateway_backend_answer_seconds', 'From handing over the request to the head of the answer', names, sample);
  }
  return [...families].map(([name, { type, help, lines }]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`).join('');
}

/** The sum of several workers' counters. */
export function mergeSamples(samples: readonly WorkerSample[]): WorkerSample {
  const services: Record<string, ServiceSample> = Object.create(null);
  const backends: Record<string, BackendSample> = Object.create(null);
  const refusals: Record<string, number> = Object.create(null);
  const connectionRefusals: Record<string, number> = Object.create(null);
  const sum = { clients: 0, clientsAccepted: 0, clientAddresses: 0, requests: 0, accessLogDropped: 0, memoryBytes: 0, cpuMs: 0 };
  for (const sample of samples) {
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += sample[name];
    addCounts(refusals, sample.refusals);
    addCounts(connectionRefusals, sample.connectionRefusals);
    for (const [key, service] of Object.entries(sample.services)) services[key] = addService(services[key], service);
    for (const [key, backend] of Object.entries(sample.backends)) backends[key] = addBackend(backends[key], backend);
  }
  return { ...sum, revision: Math.min(...samples.map(({ revision }) => revision)), refusals, connectionRefusals, services, backends };
}

/** A sparse histogram as counts per bucket. */
export function denseCounts(pairs: readonly number[]): Float64Array {
  const counts = new Float64Array(BUCKETS);
  for (let i = 0; i + 1 < pairs.length; i += 2) counts[pairs[i] as number] = pairs[i + 1] as number;
  return counts;
}

function addService(a: ServiceSample | undefined, b: ServiceSample): ServiceSample {
  if (a === undefined) return b;
  const retries = { ...a.retries };
  addCounts(retries, b.retries);
  return {
    tier: b.tier,
    inFlight: a.inFlight + b.inFlight,
    held: a.held + b.held,
    heldTotal: a.heldTotal + b.heldTotal,
    clientAborts: a.clientAborts + b.clientAborts,
    budgetExhausted: a.budgetExhausted + b.budgetExhausted,
    answersByClass: a.answersByClass.map((count, i) => count + (b.answersByClass[i] ?? 0)),
    retries,
    durations: addSparse(a.durations, b.durations),
    sumMs: a.sumMs + b.sumMs,
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
    ejections: a.ejections + b.ejections,
    connectionsOpened: a.connectionsOpened + b.connectionsOpened,
    connectionsReused: a.connectionsReused + b.connectionsReused,
    durations: addSparse(a.durations, b.durations),
    sumMs: a.sumMs + b.sumMs,
  };
}

function addSparse(a: readonly number[], b: readonly number[]): readonly number[] {
  const counts = denseCounts(a);
  for (let i = 0; i + 1 < b.length; i += 2) counts[b[i] as number] = (counts[b[i] as number] as number) + (b[i + 1] as number);
  const pairs: number[] = [];
  counts.forEach((count, bucket) => {
    if (count > 0) pairs.push(bucket, count);
  });
  return pairs;
}

function addCounts(into: Record<string, number>, from: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(from)) into[name] = (into[name] ?? 0) + count;
}

type Add = (name: string, type: Family['type'], help: string, labels: string, value: number) => void;

function addHistogram(
  add: Add,
  name: string,
  help: string,
  labels: Readonly<Record<string, string>>,
  sample: { readonly durations: readonly number[]; readonly sumMs: number },
): void {
  const counts = denseCounts(sample.durations);
  const below = BOUNDS_SECONDS.map(() => 0);
  let total = 0;
  counts.forEach((count, bucket) => {
    total += count;
    const boundSeconds = bucketBoundMs(bucket) / 1_000;
    BOUNDS_SECONDS.forEach((bound, i) => {
      // A bucket across a bound counts as above it: latencies are never shown smaller than they were.
      if (boundSeconds <= bound) below[i] = (below[i] as number) + count;
    });
  });
  BOUNDS_SECONDS.forEach((bound, i) => {
    add(name, 'histogram', help, `_bucket${labelsOf({ ...labels, le: String(bound) })}`, below[i] as number);
  });
  add(name, 'histogram', help, `_bucket${labelsOf({ ...labels, le: '+Inf' })}`, total);
  add(name, 'histogram', help, `_sum${labelsOf(labels)}`, sample.sumMs / 1_000);
  add(name, 'histogram', help, `_count${labelsOf(labels)}`, total);
}

function labelsOf(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${value.replace(/["\\\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`))}"`,
  );
  return `{${pairs.join(',')}}`;
}
