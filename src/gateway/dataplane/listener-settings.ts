import type { TlsSettings } from '../tls/tls-settings.ts';

/** Whose word about clients is taken. */
export interface Trust {
  /** Ranges of the proxies in front of us. */
  readonly from: readonly string[];
  /** The client is so many addresses from the right of X-Forwarded-For: the number of proxies in front of us. */
  readonly hops: number;
}

/** Bounds of connections; each worker counts for itself. What is absent is as everywhere. */
export interface ConnectionLimits {
  /** Of all listeners together. */
  readonly connections?: number | undefined;
  /** Of an IPv4 address or the /64 of an IPv6 address. A trusted proxy has no such bound. */
  readonly connectionsPerClient?: number | undefined;
  /** How long a client may take nothing of its answer. */
  readonly stallMs?: number | undefined;
}

/** How the connections of one listener are treated. Plain data: it is sent to every worker. */
export interface ListenerSettings {
  /** All its requests go to the service that has this port. */
  readonly internalPort?: number;
  /** All its connections are carried to this service (`app/service`) as they are. */
  readonly tcp?: string;
  /** Ranges of the proxies whose connections begin with a header of the PROXY protocol, which says who the client is. */
  readonly proxyFrom?: readonly string[];
  /** Absent: connections are not secure. */
  readonly tls?: TlsSettings;
  /** Requests are answered with where they are served by HTTPS: at this port. */
  readonly redirectPort?: number;
  /** The same, but only those of routes that are for HTTPS only. */
  readonly tlsRoutesPort?: number;
  readonly trust?: Trust;
  readonly limits?: ConnectionLimits;
  /** Without TLS: clients that begin with the preface of HTTP/2 are spoken to in it; not by default. With TLS the protocols of that decide. */
  readonly http2?: boolean;
}

/** An ordinary listener for clients: what they say of themselves is not believed, and requests are routed by host and path. */
export const PLAIN_LISTENER: ListenerSettings = {};
