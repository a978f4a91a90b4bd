import type { Admitted } from './admission.ts';
import type { ClientStream } from './client-stream.ts';
import type { Head } from './head.ts';
import { methodAt } from './method.ts';
import type { Plane } from './plane.ts';
import type { Service } from './service.ts';

/**
 * How a request ended, in two letters as in HAProxy's logs: who ended it, and in which phase; `--` is as it should be.
 *
 * Who: C the client left, c it was too slow, S the backend failed, s it was too slow, P the gateway refused, R there was no room. Phase: R request, Q waiting for a
 * backend, C connecting, H waiting for the head of the answer, D the body of the answer, T tunnel.
 */
export type Termination = '--' | `${'C' | 'c' | 'S' | 's' | 'P' | 'R'}${'R' | 'Q' | 'C' | 'H' | 'D' | 'T'}`;

/** What of a request's head goes into the access log. Made only while there is one. */
export interface RequestRecord {
  /** What the backend gets as X-Request-Id. */
  readonly id: string;
  readonly method: string;
  readonly host: string;
  /** With the query, as it was sent. */
  readonly path: string;
}

const mostTextLength = 4_096;
/** After an id: the end of its line and of the head. */
const idEndLength = 4;
/** Of what could not be read. */
const NO_RECORD: RequestRecord = { id: '', method: '', host: '', path: '' };

/** What is counted of the request under way, for metrics and the access log: plain fields, written on the way. Times in ms. */
export class RequestAccount {
  startedAt = 0;
  queuedMs = 0;
  /** For new connections. */
  connectMs = 0;
  answeredAt = 0;
  /** Of the answer's body, as its backend framed it. */
  bytesOut = 0;
  /** Name of the last try's. */
  backend = '';
  tries = 0;
  #method = 0;
  #record = NO_RECORD;

  begin(plane: Plane, bytes: Buffer, head: Head, id: Buffer): void {
    this.startedAt = plane.now();
    this.queuedMs = 0;
    this.connectMs = 0;
    this.answeredAt = 0;
    this.bytesOut = 0;
    this.tries = 0;
    this.#method = head.isGet ? 0 : methodAt(bytes, head.start);
    if (plane.accessLog !== undefined) this.#record = recordOf(bytes, head, id);
  }

  /** The request is over. `service` is absent if no route matched or the request could not be read. */
  ended(
    plane: Plane,
    how: {
      readonly service: Service | undefined;
      readonly status: number;
      readonly end: Termination;
      readonly bytesIn: number;
      readonly who: Admitted;
      readonly stream: ClientStream;
    },
  ): void {
    const durationMs = plane.now() - this.startedAt;
    const { service, status } = how;
    if (service !== undefined) {
      service.counts.answered(status, this.#method, durationMs);
      if (this.answeredAt > 0) service.counts.firstBytes.add(this.answeredAt - this.startedAt);
      if (this.queuedMs > 0) service.counts.waits.add(this.queuedMs);
    }
    if (plane.accessLog !== undefined) this.#log(plane, how, durationMs);
  }

  #log(plane: Plane, how: Parameters<RequestAccount['ended']>[1], durationMs: number): void {
    const { service, status, end, bytesIn, who, stream } = how;
    const from = { client: who.peer, protocol: stream.protocol, tls: stream.tls, status, end };
    const nothing = { bytesIn: 0, bytesOut: 0, queueMs: 0, connectMs: 0, firstByteMs: 0, totalMs: 0, service: '', backend: '', tries: 0 };
    // What could not be read has begun nothing: what is here is of the request before.
    if (this.#record === NO_RECORD) plane.accessLog?.add({ ...NO_RECORD, ...from, ...nothing });
    else
      plane.accessLog?.add({
        ...this.#record,
        ...from,
        bytesIn,
        bytesOut: this.bytesOut,
        queueMs: this.queuedMs,
        connectMs: this.connectMs,
        firstByteMs: this.answeredAt === 0 ? durationMs : this.answeredAt - this.startedAt,
        totalMs: durationMs,
        service: service?.key ?? '',
        backend: this.backend,
        tries: this.tries,
      });
    this.#record = NO_RECORD;
    this.backend = '';
  }
}

function recordOf(bytes: Buffer, head: Head, id: Buffer): RequestRecord {
  const text = (from: number, to: number) => bytes.toString('latin1', from, Math.min(to, from + mostTextLength));
  return {
    id: id.toString('latin1', 0, id.length - idEndLength),
    method: text(head.start, head.methodEnd),
    host: text(head.hostAt, head.hostEnd),
    path: text(head.targetAt, head.targetEnd),
  };
}
