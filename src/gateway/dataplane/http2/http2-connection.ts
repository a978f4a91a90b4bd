import type { ServerHttp2Session, ServerHttp2Stream, ServerSessionOptions } from 'node:http2';
import type { Socket } from 'node:net';
import { AboutClient } from '../about-client.ts';
import type { Client } from '../client.ts';
import { IntrusiveList } from '../intrusive-list.ts';
import { LIMITS } from '../limits.ts';
import type { Origin } from '../origin.ts';
import type { Plane } from '../plane.ts';
import { standsStillAt } from '../stream-internals.ts';
import { END_STREAM, ERROR_CODE } from './error-codes.ts';
import { Http2Stream } from './http2-stream.ts';

/** Until the connection is looked at again: with streams their deadlines are, else only its own. */
const sweepMs = { busy: 100, idle: 1_000 } as const;
/** Of a request's frames beside its fields, and of each frame of data: not counted as idle. */
const frameBytes = { head: 256, data: 32 } as const;
/** A client that reads may say so every now and then: a byte for so many it got. */
const bytesPerUpdateByte = 16;
/** As if all its streams had been answered early, with a window full on its way on each. */
const mostStrayBytes = LIMITS.streams * LIMITS.streamWindowBytes;

const OPTIONS: ServerSessionOptions & { readonly maxOutstandingSettings: number; readonly maxReservedRemoteStreams: number } = {
  settings: {
    enablePush: false,
    enableConnectProtocol: false,
    initialWindowSize: LIMITS.streamWindowBytes,
    maxConcurrentStreams: LIMITS.streams,
    maxHeaderListSize: LIMITS.headBytes,
  },
  maxHeaderListPairs: LIMITS.streamFields,
  maxSessionMemory: LIMITS.http2SessionMegabytes,
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  maxSettings: 32,
  maxOutstandingPings: 2,
  maxOutstandingSettings: 2,
  maxReservedRemoteStreams: 0,
  streamResetBurst: LIMITS.streamResets,
  streamResetRate: LIMITS.streamResetsPerSecond,
  // A backend may say twice what should be said once; that is for the client to judge, as in HTTP/1.1.
  strictSingleValueFields: false,
};

/** A client's connection of HTTP/2 (RFC 9113): the session is Node's, each request a stream with an exchange of its own. */
export class Http2Connection implements Client {
  next: Client | undefined;
  previous: Client | undefined;
  deadlineAt: number;
  readonly plane: Plane;
  readonly origin: Origin;
  readonly about: AboutClient;
  readonly streams = new IntrusiveList<Http2Stream>();

  readonly #socket: Socket;
  /** The TCP connection below, if the socket is a TLS. */
  readonly #raw: Socket | undefined;
  #stoodStillAt = -1;
  readonly #session: ServerHttp2Session;
  readonly #openedAt: number;
  /** It has acknowledged our settings. Before that Node does not hold it to them. */
  #hasAgreed = false;
  #idleSince: number;
  #endsAt = Number.POSITIVE_INFINITY;
  #endedBy = 0;
  #usefulBytes = 0;
  #idleBytesBefore = 0;
  #periodEndsAt = 0;
  /** Of bodies whose stream was over before they were: bytes that came or may come, which nobody counts as they do. In this period and the one before. */
  #strayBytes = 0;
  #strayBytesBefore = 0;

  /** Takes over a socket whose protocol is known to be HTTP/2, with all that has come on it; `raw` is what it runs over, if it is a TLS. */
  constructor(plane: Plane, socket: Socket, origin: Origin, raw?: Socket) {
    const now = plane.tick();
    this.plane = plane;
    this.origin = origin;
    this.about = new AboutClient(origin, '2.0');
    this.deadlineAt = now + sweepMs.busy;
    this.#openedAt = now;
    this.#idleSince = now;
    this.#socket = socket;
    this.#raw = raw;
    plane.clientsAccepted++;
    plane.clients.add(this);
    plane.unproven.add(this);
    socket.on('error', ignore);
    // Who ends its side can take no answer any more: it could not open a window for it.
    socket.on('end', () => this.destroy());
    const session = loadHttp2().performServerHandshake(socket, OPTIONS);
    this.#session = session;
    session.on('error', (error: NodeJS.ErrnoException) => plane.countRefusal(refusalOf(error)));
    session.on('close', () => this.#closed());
    session.on('connect', () => session.setLocalWindowSize(LIMITS.connectionWindowBytes));
    session.once('localSettings', () => {
      this.#hasAgreed = true;
    });
    session.on('stream', (stream, _fields, flags, rawFields) => this.#accept(stream, flags, rawFields as unknown as string[]));
    // Starts reading without letting go what was read: the session takes that first.
    socket.read(0);
  }

  /** A stream has ended in every way. */
  left(stream: Http2Stream): void {
    this.streams.remove(stream);
    if (!stream.hasRequestEnded) this.#strayBytes = Math.min(this.#strayBytes + stream.uncountedBytes, mostStrayBytes);
    if (this.streams.size === 0) this.#idleSince = this.plane.now();
  }

  /** Bytes of a request's body came. */
  dataCame(bytes: number): void {
    this.#usefulBytes += bytes + frameBytes.data;
  }

  expired(): void {
    const now = this.plane.now();
    this.deadlineAt = now + sweepMs.busy;
    if (this.#session.destroyed) {
      // What was said last is not taken.
      if (now > this.#endedBy) this.#socket.destroy();
      return;
    }
    this.#endedBy = now + LIMITS.lingerMs;
    if (this.#standsStill()) {
      this.destroy();
      return;
    }
    if (this.#isFlooded(now)) {
      this.plane.countRefusal('h2-flood');
      this.#end(ERROR_CODE.enhanceYourCalm);
      return;
    }
    if (!this.#hasAgreed && now > this.#openedAt + LIMITS.headTimeoutMs) {
      this.#end(ERROR_CODE.settingsTimeout);
      return;
    }
    for (const stream of this.streams.toArray()) if (stream.deadlineAt <= now) stream.expired();
    const isIdle = this.streams.size === 0;
    // A request that crosses the GOAWAY is above the last one it names, so its client knows that it was not processed. The notice that says it a round trip
    // before (RFC 9113, 6.8) is not to be had: after any GOAWAY that Node sends, nghttp2 takes no new streams.
    const drains = this.plane.isDraining && (!isIdle || now >= this.#endsAt);
    if (drains || (isIdle && now > this.#idleSince + LIMITS.keepAliveIdleMs)) this.#session.close();
    else if (isIdle) this.deadlineAt = Math.min(now + sweepMs.idle, this.#endsAt);
  }

  endWhenIdle(at: number): void {
    this.#endsAt = at;
    this.deadlineAt = Math.min(this.deadlineAt, at);
  }

  destroy(): void {
    // Without an error a client may take what it has of its answers for whole.
    this.#end(this.streams.size > 0 ? ERROR_CODE.internal : ERROR_CODE.none);
    this.#socket.destroy();
  }

  /** Ends the session and all its streams with this code. */
  #end(code: number): void {
    // An error that is `undefined` stands for the code NO_ERROR, whatever follows it.
    this.#session.destroy(null as unknown as undefined, code);
  }

  #accept(stream: ServerHttp2Stream, flags: number, fields: readonly string[]): void {
    this.plane.tick();
    // Before anything else: an error that nobody listens to ends the process.
    stream.on('error', ignore);
    // It was reset in the same read: nobody waits for it.
    if (stream.destroyed || stream.closed) return;
    if (this.streams.size >= LIMITS.streams) {
      stream.close(ERROR_CODE.refusedStream);
      return;
    }
    let bytes: number = frameBytes.head;
    for (const text of fields) bytes += text.length;
    this.#usefulBytes += bytes;
    this.deadlineAt = Math.min(this.deadlineAt, this.plane.now() + sweepMs.busy);
    this.plane.unproven.delete(this);
    const accepted = new Http2Stream(this, stream);
    this.streams.add(accepted);
    accepted.begin(fields, (flags & END_STREAM) !== 0);
  }

  /** What is written gets no further since the last look: its client has cut the connection, of which the session hears nothing while it waits for that. */
  #standsStill(): boolean {
    const before = this.#stoodStillAt;
    this.#stoodStillAt = this.#raw === undefined ? -1 : standsStillAt(this.#socket, this.#raw);
    return before >= 0 && before === this.#stoodStillAt;
  }

  /** Whether frames that serve nobody come faster than any client needs them, whatever they are. */
  #isFlooded(now: number): boolean {
    const idleBytes = this.#socket.bytesRead - this.#usefulBytes - this.#socket.bytesWritten / bytesPerUpdateByte;
    let most = LIMITS.idleFrameBytes + this.#strayBytes + this.#strayBytesBefore;
    for (let stream = this.streams.first; stream !== undefined; stream = stream.next) if (stream.isPaused) most += stream.uncountedBytes;
    if (idleBytes - this.#idleBytesBefore > most) return true;
    if (now >= this.#periodEndsAt) {
      this.#periodEndsAt = now + LIMITS.idleFramePeriodMs;
      this.#idleBytesBefore = idleBytes;
      this.#strayBytesBefore = this.#strayBytes;
      this.#strayBytes = 0;
    }
    return false;
  }

  #closed(): void {
    this.plane.tick();
    this.plane.clients.remove(this);
    this.plane.unproven.delete(this);
  }
}

/** Labels of metrics by the names nghttp2 and Node give errors of a session. */
function refusalOf(error: NodeJS.ErrnoException): string {
  return error.code === 'ERR_HTTP2_ERROR' || error.code === 'ERR_HTTP2_SESSION_ERROR' ? 'h2-protocol' : 'h2-connection';
}

function ignore(): void {}

/** Node's HTTP/2, from the first connection on: it takes 5 MiB and 10 ms. */
function loadHttp2(): typeof import('node:http2') {
  return process.getBuiltinModule('node:http2');
}
