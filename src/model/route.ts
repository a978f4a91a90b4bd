import type { Name } from '#base/name';
import type { Address } from '#world/world';
import type { InstanceId, Tier } from './instance.ts';
import type { Check, RouteMatch } from './spec.ts';

/** How requests reach one service. At /routes/APP/SERVICE. A gateway applies all changes of one revision at once (L1). */
export interface Route {
  readonly app: Name;
  readonly service: Name;
  readonly matches: readonly RouteMatch[];
  /** A loopback listener of the gateway that leads to this service only. */
  readonly internalPort?: number;
  /** Ports of the gateway whose connections are carried to the backends as they are (L4). */
  readonly tcpPorts?: readonly number[];
  /** A policy string, such as `round-robin` or `peak-ewma?decay=5s`. A gateway that does not know it takes turns. */
  readonly balance: string;
  /** How long the weight of a backend that came or came back grows; 0 = it gets its whole share at once. Absent: 30 s. */
  readonly slowStartMs?: number;
  /** What `sticky` makes its cookies with; absent: the name of the service. The same in every gateway, so that each knows the cookies of the others. */
  readonly stickySecret?: string;
  /** Requests beyond it are answered 429 at once. Every worker of every gateway counts for itself. */
  readonly rateLimit?: RateLimit;
  /** Clients show a certificate of the authorities with this id, which the gateway knows; `isRequired`: or are refused. */
  readonly clientPolicy?: { readonly id: string; readonly isRequired: boolean };
  /** Where this service differs from what all have. */
  readonly settings?: RouteSettings;
  /** Asked by the gateway of each backend; none = a backend counts as passing. */
  readonly check?: Check;
  /** All that run or drain, in slot order. A backend not listed gets nothing. */
  readonly backends: readonly Backend[];
}

export interface RateLimit {
  readonly ratePerSecond: number;
  /** Requests that may come at once after a pause. */
  readonly burst: number;
  /** `client`: an IPv4 address or the /64 of an IPv6 address. */
  readonly per: 'client' | 'service';
}

/** How one service is treated where it differs; what is absent is as everywhere. */
export interface RouteSettings {
  readonly connectTimeoutMs?: number;
  /** To the head of the answer. */
  readonly answerTimeoutMs?: number;
  /** Between two parts of an answer's body. */
  readonly idleTimeoutMs?: number;
  /** From the head of the request to the end of the answer, waiting and all tries included; absent: no limit. */
  readonly totalTimeoutMs?: number;
  /** Tries of one request in all. */
  readonly maxTries?: number;
  /** Repeated beside what always is, if nothing can happen twice: answers of these statuses, and tries that took too long. */
  readonly retryOn?: readonly ('502' | '503' | '504' | 'timeout')[];
  /** A request with an `Idempotency-Key` field counts as idempotent: its backend does it once however often it is asked. */
  readonly trustsIdempotencyKey?: boolean;
  readonly maxBodyBytes?: number;
  /** What is done with fields whose names have other characters than letters, digits and hyphens; absent: those that look like trusted ones are dropped. */
  readonly oddFieldNames?: 'drop' | 'refuse';
  /** Requests of one backend at once; more wait. Every worker counts for itself. */
  readonly maxInFlight?: number;
  /** Its backends take several GET or HEAD requests at once on one connection (HTTP/1.1 pipelining). */
  readonly pipeline?: boolean;
  /** Requests that wait for a backend; more are answered 503. */
  readonly maxWaiting?: number;
  readonly ejection?: EjectionSettings;
  /** Below this share of usable primaries all are used; 0: never. */
  readonly panicShare?: number;
  /** All healthy backups share the load, instead of the first of them taking it. */
  readonly allBackups?: boolean;
  /** Tunnels and carried connections at a backup live on for so long once primaries serve again; absent: until they end themselves. */
  readonly backupDrainMs?: number;
  /** Those that drain serve when nobody else is usable. Never where something else stops them once they are seen empty. */
  readonly usesDraining?: boolean;
  /** How long clients that are bound to a backend still go there while it drains; the same caution. */
  readonly stickyDrainMs?: number;
}

/** When a backend is taken out for what it answers; 0 turns a reason off. */
export interface EjectionSettings {
  /** Refused, reset, timed out, 502, 503 or 504: so many in a row. */
  readonly failures?: number;
  /** Other answers of 5xx: so many in a row. */
  readonly errors?: number;
  /** So many times slower than its peers. */
  readonly slowFactor?: number;
  /** For so long the first time. */
  readonly baseMs?: number;
}

/** An instance as the gateway sees it. */
export interface Backend {
  readonly id: InstanceId;
  /** `web.2`, for logs and metrics. */
  readonly name: string;
  /** Another attempt is another process: health is unknown again. */
  readonly attempt: number;
  readonly address: Address;
  readonly weight: number;
  readonly tier: Tier;
  /** Asked of this backend instead of the route's check: an instance of another release answers to its own. */
  readonly check?: Check;
  /** How long tunnels live on while it drains: WebSockets, and connections carried as they are. Absent: 5 min. */
  readonly drainMs?: number;
  /** `draining`: no new requests; those in flight go on. */
  readonly state: 'active' | 'draining';
}

/** What a gateway reports. At /gateways/NAME under the gateway's lease; a key that is gone is a gateway that need not be waited for. */
export interface GatewayStatus {
  readonly name: Name;
  readonly address: Address;
  readonly adminAddress: Address;
  /** Where routes for HTTPS are served; absent: nowhere. */
  readonly httpsAddress?: Address;
  /** Why HTTPS is not as routes want it, and what to do; without a full stop. */
  readonly httpsProblem?: string;
  readonly pid: number;
  /** Every change of /routes/ up to this revision is in force in all its workers. */
  readonly appliedRevision: number;
  readonly backends: Readonly<Record<InstanceId, BackendReport>>;
}

export interface BackendReport {
  readonly attempt: number;
  readonly health: 'unknown' | 'passing' | 'failing';
  /** Raised at every change of `health`: passing twice with another number is not "continuously" (H5). */
  readonly transitions: number;
  /** Requests and tunnels in flight; kept up to date for draining backends only. */
  readonly inFlight: number;
  /** Why it is failing; a sentence without a full stop. */
  readonly reason: string;
}
