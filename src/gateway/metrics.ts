import { METHODS } from './dataplane/method.ts';
import { mergeSamples } from './merged-samples.ts';
import { MetricsPage } from './metrics-page.ts';
import type { BackendSample, ServiceSample, TcpSample, WorkerSample } from './worker-protocol.ts';

/** What the parent adds to its workers' counters. */
export interface GatewayFacts {
  readonly gateway: string;
  readonly configRevision: number;
  readonly configAgeSeconds: number;
  readonly controlConnected: boolean;
  readonly workerRestarts: number;
  /** By the first name of each certificate that is served. */
  readonly certificateExpirySeconds: ReadonlyMap<string, number>;
  /** Those made of authorities, by how they ended. */
  readonly certificateOrders: ReadonlyMap<string, number>;
  /** By backend key: 1 passing, 0 not. */
  readonly backendUp: ReadonlyMap<string, number>;
}

/** The page at /metrics. Labels are names from the configuration and words of ours only, so that no client can make series. */
export function renderMetrics(samples: readonly WorkerSample[], facts: GatewayFacts): string {
  const page = new MetricsPage();
  page.gauge('config_revision', 'Revision of the routes in force in all workers', facts.configRevision);
  page.gauge('config_age_seconds', 'Since control last confirmed or changed the routes', facts.configAgeSeconds);
  page.gauge('control_connected', '1 while control can be reached', facts.controlConnected ? 1 : 0);
  page.counter('worker_restarts_total', 'Workers that ended and were started again', facts.workerRestarts);
  const total = mergeSamples(samples);
  page.gauge('client_connections', 'Open client connections', total.clients);
  page.gauge('client_addresses', 'Clients with a connection: IPv4 addresses and /64 of IPv6 addresses', total.clientAddresses);
  for (const [reason, count] of Object.entries(total.connectionRefusals))
    page.counter('connections_refused_total', 'Connections that were not taken or were given up, by the limit', count, { reason });
  page.counter('client_connections_total', 'Accepted client connections', total.clientsAccepted);
  page.counter('protocol_requests_total', 'Requests by the protocol of their client', total.requests - total.http2Requests, { protocol: 'HTTP/1.1' });
  page.counter('protocol_requests_total', 'Requests by the protocol of their client', total.http2Requests, { protocol: 'HTTP/2' });
  page.gauge('memory_bytes', 'Resident memory of all workers', total.memoryBytes);
  page.gauge('ring_workers', 'Workers whose connections an io_uring carries', total.rings);
  page.counter('cpu_seconds_total', 'CPU time of all workers', total.cpuMs / 1_000);
  page.counter('access_log_dropped_total', 'Lines of the access log that were not written', total.accessLogDropped);
  page.counter('unrouted_total', 'Requests that no route matched', total.unrouted);
  for (const [kind, count] of Object.entries(total.tlsHandshakes))
    if (count > 0) page.counter('tls_handshakes_total', 'Handshakes of TLS that were completed', count, { kind });
  for (const [reason, count] of Object.entries(total.tlsErrors))
    page.counter('tls_errors_total', 'Handshakes of TLS that failed, by reason', count, { reason });
  for (const [certificate, seconds] of facts.certificateExpirySeconds)
    page.gauge('certificate_expiry_seconds', 'When a certificate expires, in seconds since 1970', seconds, { certificate });
  for (const [result, count] of facts.certificateOrders)
    page.counter('certificate_orders_total', 'Orders of certificates (ACME), by how they ended', count, { result });
  for (const [reason, count] of Object.entries(total.refusals)) page.counter('parse_errors_total', 'Messages refused, by reason', count, { reason });
  for (const [service, sample] of Object.entries(total.services)) addService(page, service, sample);
  for (const [key, sample] of Object.entries(total.backends)) addBackend(page, sample, facts.backendUp.get(key) ?? 0);
  return page.text;
}

function addService(page: MetricsPage, service: string, sample: ServiceSample): void {
  const labels = { service };
  sample.answers.forEach((count, index) => {
    if (count === 0) return;
    const codeClass = `${Math.floor(index / METHODS.length)}xx`;
    const method = METHODS[index % METHODS.length] as string;
    page.counter('requests_total', 'Requests by class of status and method', count, { service, code_class: codeClass, method });
  });
  page.gauge('in_flight', 'Requests and tunnels in flight', sample.inFlight, labels);
  page.gauge('tunnels', 'Tunnels (WebSockets) open', sample.tunnels, labels);
  for (const [how, count] of Object.entries(sample.tunnelsDrained))
    page.counter('tunnels_drained_total', 'Tunnels ended by a drain: closed by a frame that says so, or cut in the middle of one', count, { service, how });
  page.gauge('held', 'Requests that wait for a usable backend', sample.held, labels);
  page.counter('held_total', 'Requests that had to wait for a usable backend', sample.heldTotal, labels);
  page.counter('overflows_total', 'Requests that found no room to wait', sample.overflows, labels);
  page.counter('rate_limited_total', 'Requests over their rate', sample.rateLimited, labels);
  page.counter('client_aborts_total', 'Requests whose client left before the answer', sample.clientAborts, labels);
  page.gauge('panic', '1 while too few backends are healthy and all get requests', sample.tier === 'panic' ? 1 : 0, labels);
  page.counter('panics_total', 'Times that began', sample.panics, labels);
  page.counter('retry_budget_exhausted_total', 'Retries that were not made for lack of budget', sample.budgetExhausted, labels);
  for (const [reason, count] of Object.entries(sample.retries)) page.counter('retries_total', 'Tries repeated, by reason', count, { service, reason });
  if (sample.tcp !== undefined) addTcp(page, service, sample.tcp);
  page.histogram('request_duration_seconds', 'From the head of the request to the end of the answer, but for tunnels', sample.durations, labels);
  page.histogram('first_byte_seconds', 'From the head of the request to the head of the answer, waits and all tries included', sample.firstBytes, labels);
  page.histogram('queue_seconds', 'How long requests waited for a usable backend, of those that did', sample.waits, labels);
}

function addTcp(page: MetricsPage, service: string, { opened, bytesFromClients, bytesToClients, ended }: TcpSample): void {
  const bytes = 'Bytes of connections that are carried as they are';
  page.counter('tcp_connections_total', 'Connections that are carried as they are', opened, { service });
  page.counter('tcp_bytes_total', bytes, bytesFromClients, { service, to: 'backends' });
  page.counter('tcp_bytes_total', bytes, bytesToClients, { service, to: 'clients' });
  for (const [reason, count] of Object.entries(ended))
    page.counter('tcp_ended_total', 'Connections carried as they are that have ended, by who or what ended them', count, { service, reason });
}

function addBackend(page: MetricsPage, sample: BackendSample, up: number): void {
  const names = { service: sample.service, backend: sample.name, instance: sample.id };
  page.gauge('backend_up', '1 if the active checks pass', up, names);
  page.gauge('backend_in_flight', 'Tries and tunnels in flight', sample.inFlight, names);
  page.counter('backend_failures_total', 'Tries that failed, and answers 502 to 504', sample.failures, names);
  for (const [reason, count] of Object.entries(sample.ejections))
    page.counter('ejections_total', 'Times a backend was taken out because of its answers or silence', count, { ...names, reason });
  page.counter('departures_total', 'Times a backend said that it is about to go', sample.departures, names);
  const opened = 'Requests by the connection they took';
  page.counter('pool_connections_total', opened, sample.connectionsOpened, { ...names, kind: 'new' });
  page.counter('pool_connections_total', opened, sample.connectionsReused, { ...names, kind: 'reused' });
  page.counter('pool_races_total', 'Kept connections that ended as a request was sent on them', sample.connectionRaces, names);
  page.gauge('pool_idle', 'Kept connections', sample.idle, names);
  page.histogram('connect_seconds', 'How long new connections took', sample.connects, names);
  page.histogram('backend_answer_seconds', 'From handing over the request to the head of the answer', sample.durations, names);
}
