import type { TryFailure } from '#policy/balance/retry';
import type { Backend } from './backend.ts';
import type { ClientStream } from './client-stream.ts';
import type { Exchange } from './exchange.ts';
import type { PipelinedConnection } from './pipelined-connection.ts';
import type { RequestBody } from './request-body.ts';
import type { UpstreamTry } from './upstream-try.ts';

/** A request's place in a pipeline. */
export class PipelinedTry implements UpstreamTry {
  next: UpstreamTry | undefined;
  previous: UpstreamTry | undefined;
  /** The one whose answer comes after this one's. */
  behind: PipelinedTry | undefined;
  readonly wire: undefined;
  readonly connection: PipelinedConnection;
  exchange: Exchange | undefined;
  readonly isHead: boolean;
  sentAt: number;
  deadlineAt = 0;
  isAnswering = false;
  /** Its request is on its way, or goes with the end of this turn: it will have an answer. */
  isSent = false;

  constructor(connection: PipelinedConnection, exchange: Exchange, now: number) {
    this.connection = connection;
    this.exchange = exchange;
    this.isHead = exchange.isHead;
    this.sentAt = now;
  }

  get backend(): Backend {
    return this.connection.backend;
  }

  /** Whose answer it is, if somebody waits for it. */
  get stream(): ClientStream | undefined {
    return this.exchange?.stream;
  }

  get isConnected(): boolean {
    return this.connection.isConnected;
  }

  send(body: RequestBody): boolean {
    this.connection.add(this, body.bytes);
    return false;
  }

  /** Only requests without a body are pipelined. */
  bodyPassed(): void {}

  resumeReading(): void {
    this.connection.resumeReading(this);
  }

  /** What asks for an upgrade never has a place here. */
  endTunnel(): void {
    this.abandon();
  }

  abandon(): void {
    this.connection.leave(this);
  }

  failTry(failure: TryFailure): void {
    const { exchange } = this;
    this.connection.leave(this);
    exchange?.tries.fail(this, failure);
  }

  expired(): void {
    this.connection.expired(this);
  }
}
