import type { Socket } from 'node:net';
import type { Choice } from '../tls/choices.ts';
import type { ClientIdentity } from '../tls/client-identity.ts';
import type { HostCheck } from '../tls/host-check.ts';
import { peerIp } from './ip-address.ts';
import { LIMITS } from './limits.ts';
import type { ListenerSettings } from './listener-settings.ts';
import type { ProxyOutcome } from './proxy-step.ts';

/** Where a connection comes from and how it came in: what holds for all its requests. */
export interface Origin {
  /** The client's address, in canonical form; IPv4 where it is one. */
  readonly peer: string;
  /** Of ours, that the client connected to. */
  readonly port: number;
  readonly scheme: 'http' | 'https';
  /** All requests go to the service with this internal port. */
  readonly internalPort: number | undefined;
  readonly tls: TlsFacts | undefined;
  /** Of the HTTPS listener to which clients are sent. */
  readonly redirectPort: number | undefined;
  /** The same for requests of routes that are for HTTPS only. */
  readonly tlsRoutesPort: number | undefined;
  /** How many addresses from the right of X-Forwarded-For the client is; 0: the other side is the client, and nothing it says of itself counts. */
  readonly trustedHops: number;
  /** How long the client may take nothing of an answer. */
  readonly stallMs: number;
}

/** How a secure connection came to be. */
export interface TlsFacts {
  /** `TLSv1.3`. */
  readonly version: string;
  /** By the name the client asked for. */
  readonly choice: Choice;
  /** Which other names' requests may come over it. */
  readonly hosts: HostCheck;
  /** Of a client whose certificate was verified. */
  readonly client: ClientIdentity | undefined;
}

/** The origin of a socket as the kernel knows it. */
export function originOf(socket: Socket, settings: ListenerSettings): Origin {
  const peer = peerIp(socket.remoteAddress ?? '');
  return {
    peer,
    port: socket.localPort ?? 0,
    scheme: 'http',
    internalPort: settings.internalPort,
    tls: undefined,
    redirectPort: settings.redirectPort,
    tlsRoutesPort: settings.tlsRoutesPort,
    trustedHops: 0,
    stallMs: settings.limits?.stallMs ?? LIMITS.stallMs,
  };
}

/** The origin by what a trusted proxy says of the connection. */
export function originBehind(origin: Origin, outcome: Exclude<ProxyOutcome, { readonly kind: 'refused' }>): Origin {
  return outcome.kind === 'local' ? origin : { ...origin, peer: outcome.source.address, port: outcome.destination.port };
}
