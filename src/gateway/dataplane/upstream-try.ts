import type { TryFailure } from '#policy/balance/retry';
import type { Backend } from './backend.ts';
import type { Exchange } from './exchange.ts';
import type { Linked } from './intrusive-list.ts';
import type { RequestBody } from './request-body.ts';
import type { Wire } from './wire.ts';

/** One try of a request at a backend, as its exchange and the sweeps see it: it has a connection, or a place in a pipeline. */
export interface UpstreamTry extends Linked<UpstreamTry> {
  readonly backend: Backend;
  /** Whose try it is; nobody's once that was told how it ended, or gave it up. */
  readonly exchange: Exchange | undefined;
  /** When the request was handed over. */
  readonly sentAt: number;
  readonly deadlineAt: number;
  readonly isConnected: boolean;
  readonly isAnswering: boolean;
  /** The connection that is its own; a place in a pipeline has none. */
  readonly wire: Wire | undefined;

  /** Sends all that was taken of the request; true while the kernel has not taken it. */
  send(body: RequestBody): boolean;
  /** More of the request was handed over. */
  bodyPassed(now: number): void;
  /** The client takes bytes again. */
  resumeReading(): void;
  /** The client is gone, or goes on elsewhere; it is told nothing. */
  abandon(): void;
  /** Its tunnel ends: `last` goes to the backend before the end, and what still comes is nobody's. Its exchange is told nothing. */
  endTunnel(last: Buffer | undefined): void;
  /** Gives up this try and tells its exchange. */
  failTry(failure: TryFailure): void;
  /** Its deadline has passed. */
  expired(): void;
}
