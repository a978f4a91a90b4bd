import type { Backend } from './backend.ts';
import type { Exchange } from './exchange.ts';
import { LIMITS } from './limits.ts';
import { PipelinedConnection } from './pipelined-connection.ts';
import type { PipelinedTry } from './pipelined-try.ts';
import type { Plane } from './plane.ts';

/**
 * The few connections over which a backend that declares it gets many requests at once, each sent before the answers to those before it have come (RFC 9112, 9.3.2).
 * What it saves are system calls: one write and one read serve as many requests as there are in a turn of the event loop.
 */
export class Pipeline {
  readonly #plane: Plane;
  readonly #backend: Backend;
  #connections: readonly PipelinedConnection[] = [];

  constructor(plane: Plane, backend: Backend) {
    this.#plane = plane;
    this.#backend = backend;
  }

  /** Open connections, and how many of them have nothing to do. */
  get size(): number {
    return this.#connections.length;
  }

  /** A place for a request behind as few others as possible; `undefined` if all have enough: then it gets a connection of its own. */
  carry(exchange: Exchange, now: number): PipelinedTry | undefined {
    let best: PipelinedConnection | undefined;
    for (const connection of this.#connections) {
      if (!connection.takesMore(now)) continue;
      if (connection.queued < LIMITS.pipelineDepth && connection.waitMs < LIMITS.pipelineGatherMs) return connection.carry(exchange, now);
      if (best === undefined || connection.queued < best.queued) best = connection;
    }
    if ((best === undefined || best.queued > 0) && this.#connections.length < LIMITS.pipelineConnections) best = this.#open(now);
    return best === undefined || best.queued >= LIMITS.pipelineDepth ? undefined : best.carry(exchange, now);
  }

  /** Closes those that have nothing to do; the others end with the last answer they owe. */
  close(): void {
    for (const connection of this.#connections) connection.retire();
  }

  /** Closes what has been unused for too long, and lets those go elsewhere that are held up. */
  sweep(now: number): void {
    for (const connection of this.#connections) connection.sweep(now);
  }

  #open(now: number): PipelinedConnection {
    const connection = new PipelinedConnection(this.#plane, this.#backend, {
      now,
      onClosed: () => {
        this.#connections = this.#connections.filter((each) => each !== connection);
      },
    });
    this.#connections = [...this.#connections, connection];
    return connection;
  }
}
