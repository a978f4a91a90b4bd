import type { Head } from './head.ts';
import type { OwnAnswer } from './own-answer.ts';

/**
 * The client's side of one exchange, whatever its protocol: an HTTP/1.1 connection (for each of its requests anew) or a stream of HTTP/2.
 *
 * The order of an answer: any number of `passInformational`, one `beginAnswer`, any number of `addBody`, one `endBody`. What was added may wait until
 * `flush`, and the bytes it was given must not change before: who adds flushes in the same event.
 */
export interface ClientStream {
  /** For the access log: `HTTP/1.1` or `HTTP/2.0`, and the version of TLS or ''. */
  readonly protocol: string;
  readonly tls: string;

  /** A 1xx other than 101. Nothing is passed to a client that cannot understand it. */
  passInformational(source: Buffer, head: Head): void;
  /** The final head, scanned in `source`. `extraLine` is one more field line with its CRLF, or ''. */
  beginAnswer(source: Buffer, head: Head, extraLine: string): void;
  /** `[from, to)` of the body, without any framing. */
  addBody(bytes: Buffer, from: number, to: number): void;
  /** The body is complete. `trailers`: field lines, each with its CRLF, or ''. */
  endBody(trailers: string): void;
  /** Hands over what was added; true while it is referenced, until the exchange hears `clientWritable`. */
  flush(): boolean;
  /** Writes an answer of the gateway's own as a whole. */
  answerSelf(answer: OwnAnswer): void;
  /** The exchange is over and was counted. */
  finished(): void;
  /** The answer cannot be completed: the client must not take it for whole. It was counted. */
  cutOff(): void;

  /** The backend does not take the request's body as fast as it comes. */
  pauseBody(): void;
  resumeBody(): void;
  /** A backend is there for the part of the body that was not taken yet. */
  passWaitingBody(): void;

  /** The backend switched protocols: its head, then all of `[head.end, end)` and what comes later, as it is. */
  beginTunnel(source: Buffer, head: Head, end: number): void;
  /** Bytes for the client through the tunnel; true as for `flush`. */
  tunnelToClient(bytes: Buffer, count: number): boolean;
  /** The tunnel ends: `last` goes to the client before the end, and what still comes is nobody's. */
  closeTunnel(last: Buffer | undefined): void;
  /** The backend sends nothing more through the tunnel. */
  endTunnelToClient(): void;
}
