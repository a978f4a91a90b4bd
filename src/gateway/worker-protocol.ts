import type { InstanceId } from '#model/instance';
import type { Route } from '#model/route';
import type { HealthUpdate } from './dataplane/dataplane.ts';
import type { ListenerSettings } from './dataplane/listener-settings.ts';
import type { Challenges } from './tls/acme/challenges.ts';
import type { TicketSecrets } from './tls/ticket-keys.ts';

/** What the gateway's parent process tells a worker. `listen` comes with the listening handle; `change` is for connections accepted from then on. */
export type ToWorker =
  | { readonly kind: 'start'; readonly seed: readonly number[]; readonly accessLogPath: string | undefined }
  | { readonly kind: 'snapshot'; readonly revision: number; readonly routes: readonly Route[]; readonly health: readonly HealthUpdate[] }
  | { readonly kind: 'health'; readonly updates: readonly HealthUpdate[] }
  | { readonly kind: 'listen'; readonly id: string; readonly settings: ListenerSettings }
  | { readonly kind: 'change'; readonly id: string; readonly settings: ListenerSettings }
  | { readonly kind: 'unlisten'; readonly id: string }
  | { readonly kind: 'tickets'; readonly secrets: TicketSecrets }
  | { readonly kind: 'challenges'; readonly challenges: Challenges }
  | { readonly kind: 'sample'; readonly request: number }
  | { readonly kind: 'drain'; readonly lastsMs: number; readonly keepsIdle: boolean };

/** What a worker tells its parent. */
export type FromWorker =
  | { readonly kind: 'applied'; readonly revision: number }
  | { readonly kind: 'listening'; readonly id: string }
  /** It met an error that nobody caught: it ends what it has and takes nothing new. */
  | { readonly kind: 'failing'; readonly cause: string }
  /** `panicking`: services of which too few backends are healthy, so that all get requests. */
  | { readonly kind: 'report'; readonly backends: readonly BackendObservation[]; readonly panicking: readonly string[] }
  /** Since the sample before, which the parent has: messages come in order. */
  | { readonly kind: 'sample'; readonly request: number; readonly changes: SampleChanges };

/** What only traffic can tell of a backend. Reported when it changes; `inFlight` of draining backends at once when it falls to 0. */
export interface BackendObservation {
  readonly key: string;
  readonly ejected: boolean;
  /** A sentence without a full stop; empty if not ejected. */
  readonly reason: string;
  readonly inFlight: number;
}

/** A worker's counters since it started. */
export interface WorkerSample {
  readonly revision: number;
  readonly clients: number;
  readonly clientsAccepted: number;
  /** Clients with a connection: IPv4 addresses and /64 of IPv6 addresses. */
  readonly clientAddresses: number;
  readonly connectionRefusals: Readonly<Record<string, number>>;
  readonly requests: number;
  /** Those of them that came by HTTP/2. */
  readonly http2Requests: number;
  readonly unrouted: number;
  readonly refusals: Counts;
  /** Handshakes of TLS by kind, and those that failed by reason. */
  readonly tlsHandshakes: Counts;
  readonly tlsErrors: Counts;
  readonly accessLogDropped: number;
  readonly memoryBytes: number;
  readonly cpuMs: number;
  /** 1 if a ring carries its connections. */
  readonly rings: number;
  readonly services: Readonly<Record<string, ServiceSample>>;
  readonly backends: Readonly<Record<string, BackendSample>>;
}

/** A sample without the services and backends that are as they were in the one before: of a thousand nearly all. */
export interface SampleChanges extends Omit<WorkerSample, 'services' | 'backends'> {
  readonly services: Changes<ServiceSample>;
  readonly backends: Changes<BackendSample>;
}

export interface Changes<Sample> {
  /** By key; new ones too. */
  readonly changed: Readonly<Record<string, Sample>>;
  readonly gone: readonly string[];
}

export type Counts = Readonly<Record<string, number>>;

/** A histogram without its empty buckets: bucket, count, bucket, count … */
export interface HistogramSample {
  readonly pairs: readonly number[];
  readonly sumMs: number;
}

export interface ServiceSample {
  readonly tier: string;
  readonly inFlight: number;
  readonly held: number;
  readonly heldTotal: number;
  /** Absent: it never carried a connection as it is. */
  readonly tcp?: TcpSample | undefined;
  readonly overflows: number;
  readonly rateLimited: number;
  readonly clientAborts: number;
  readonly tunnels: number;
  /** Tunnels that ended because their backend or the worker drained, by how. */
  readonly tunnelsDrained: Counts;
  readonly panics: number;
  readonly budgetExhausted: number;
  /** By class of status and method, as in `ServiceCounts`. */
  readonly answers: readonly number[];
  readonly retries: Counts;
  readonly durations: HistogramSample;
  readonly firstBytes: HistogramSample;
  readonly waits: HistogramSample;
}

/** Of connections that are carried as they are. */
export interface TcpSample {
  readonly opened: number;
  readonly bytesFromClients: number;
  readonly bytesToClients: number;
  /** By reason. */
  readonly ended: Counts;
}

export interface BackendSample {
  readonly id: InstanceId;
  readonly name: string;
  readonly service: string;
  readonly inFlight: number;
  readonly idle: number;
  readonly answers: number;
  readonly failures: number;
  /** By reason. */
  readonly ejections: Counts;
  readonly departures: number;
  readonly connectionsOpened: number;
  readonly connectionsReused: number;
  readonly connectionRaces: number;
  readonly durations: HistogramSample;
  readonly connects: HistogramSample;
}
