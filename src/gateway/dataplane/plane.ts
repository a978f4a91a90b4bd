import type { Socket } from 'node:net';
import type { AccessLog } from '../access-log.ts';
import { TlsState } from '../tls/tls-state.ts';
import type { Backend } from './backend.ts';
import { HEX } from './byte-classes.ts';
import type { Client } from './client.ts';
import { after, monotonicNow, soon } from './clock.ts';
import { ConnectionCounts } from './connection-counts.ts';
import type { Exchange } from './exchange.ts';
import { Gathering } from './gathering.ts';
import { Head } from './head.ts';
import { hexDigit } from './head-writer.ts';
import { IntrusiveList } from './intrusive-list.ts';
import { LIMITS } from './limits.ts';
import type { Ring } from './ring/ring.ts';
import { ringWires } from './ring/ring-wires.ts';
import { RoutingTable } from './routing-table.ts';
import type { Service } from './service.ts';
import { Slabs } from './slabs.ts';
import { STREAM_WIRES } from './stream-wire.ts';
import { TunnelBuffers } from './tunnel-buffers.ts';
import type { TunnelDrain } from './tunnel-drain.ts';
import type { UpstreamTry } from './upstream-try.ts';
import { Views } from './views.ts';
import type { Wires } from './wire.ts';

/** The longest head and one read with their framing. */
const scratchBytes = 192 * 1024;
const idDigits = 10;
/** Between two looks at the clock in one turn of the event loop: a tenth of a millisecond. */
const eventsPerTick = 8;

/** Where the requests of a route go. */
export interface RouteTarget {
  readonly service: Service;
  readonly wantsTls: boolean;
}

/** What all connections of one worker share. */
export class Plane {
  table = new RoutingTable<RouteTarget>([]);
  /** After `serviceFor`: the route is for HTTPS only. */
  wantsTls = false;
  /** By `app/service`. */
  readonly services = new Map<string, Service>();
  /** Of these, those that have to be looked at every so often. */
  readonly awake = new Set<Service>();
  /** Services by the port of their internal listener. */
  readonly internal = new Map<number, Service>();
  readonly clients = new IntrusiveList<Client>();
  /** Accepted, but who is there or what it speaks is not known yet. */
  readonly opening = new Set<Socket>();
  readonly tls = new TlsState();
  /** Clients that have not sent a request yet, the oldest first. */
  readonly unproven = new Set<Client>();
  readonly connections = new ConnectionCounts();
  readonly slabs = new Slabs();
  readonly tunnelBuffers = new TunnelBuffers();
  /** All connections are read into it: one read is used up or copied before the next. */
  readonly readBuffer = Buffer.allocUnsafeSlow(LIMITS.readBytes);
  /** For what is written at once. Give it up with `renewScratch` when the write is pending. */
  scratch = Buffer.allocUnsafeSlow(scratchBytes);
  #scratchViews = new Views(this.scratch);
  requestHead = new Head();
  answerHead = new Head();
  isDraining = false;
  /** Of the worker as a whole. */
  drain: TunnelDrain | undefined;
  accessLog: AccessLog | undefined;

  readonly gathering = new Gathering();
  readonly wires: Wires;
  readonly #ring: Ring | undefined;

  clientsAccepted = 0;
  requests = 0;
  http2Requests = 0;
  /** Requests that no route matched. */
  unrouted = 0;
  readonly refusals = new Map<string, number>();
  /** The last of them: why what is being read is refused. */
  lastRefusal = '';
  /** Changes of ejection, suspicion or a draining backend's last request: somebody should report. */
  onReport: () => void = () => undefined;

  readonly #dirty: { flush(): void }[] = [];
  readonly #flushDirty = (): void => {
    if (this.#dirty.length === 0) return;
    this.gathering.turned();
    for (const who of this.#dirty.splice(0)) who.flush();
  };
  readonly #id: Buffer;
  #luck: number;
  #now = monotonicNow();
  #eventsSinceTick = 0;

  /** Without a ring each connection is read and written by itself. */
  constructor(seed: Uint8Array, ring?: Ring) {
    this.#ring = ring;
    this.wires = ring === undefined ? STREAM_WIRES : ringWires(ring);
    if (ring !== undefined) ring.roundHandled = this.#flushDirty;
    this.#luck = (((seed[0] ?? 1) << 24) | ((seed[1] ?? 2) << 16) | ((seed[2] ?? 3) << 8) | (seed[3] ?? 4)) >>> 0 || 1;
    const prefix = Buffer.from(seed.subarray(0, 6)).toString('hex');
    this.#id = Buffer.from(`${prefix}${'0'.repeat(idDigits)}\r\n\r\n`, 'latin1');
  }

  /** A ring carries its connections, but those to clients over TLS or HTTP/2. */
  get hasRing(): boolean {
    return this.#ring !== undefined;
  }

  /** The time of the event under way, as good as now: events are over in microseconds. */
  now(): number {
    return this.#now;
  }

  /** Reads the clock, but for every event of a turn at whose end something waits: then for one in a few. Called first by whatever the event loop calls. */
  tick(): number {
    if (this.#dirty.length === 0 || ++this.#eventsSinceTick === eventsPerTick) {
      this.#now = monotonicNow();
      this.#eventsSinceTick = 0;
    }
    return this.#now;
  }

  /** Where a request belongs: by its listener, or by host and path. */
  serviceFor(bytes: Buffer, head: Head, internalPort: number | undefined): Service | undefined {
    this.wantsTls = false;
    if (internalPort !== undefined) return this.internal.get(internalPort);
    const found = this.table.find(bytes, head.hostAt, head.hostEnd, head.targetAt, head.targetEnd);
    if (found === undefined) return undefined;
    this.wantsTls = found.wantsTls;
    return found.service;
  }

  /** Uniform in [0, 1), xorshift32 (Marsaglia 2003): only spreads delays. */
  luck(): number {
    let x = this.#luck;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#luck = x >>> 0;
    return this.#luck / 2 ** 32;
  }

  /** The next request id with the end of the head: valid until the next call. */
  nextId(): Buffer {
    const id = this.#id;
    // Adds one in place: most often that is one digit.
    for (let at = id.length - 5; ; at--) {
      const digit = ((HEX[id[at] as number] as number) + 1) % 16;
      id[at] = hexDigit(digit);
      if (digit !== 0) return id;
    }
  }

  /** The head of an answer came. That proves that a backend is bad or quick; that it is well only once the whole answer is there, unless that may take for ever. */
  countAnswer({ backend, exchange, sentAt }: UpstreamTry, head: { readonly status: number; readonly closes: boolean; readonly isEndless: boolean }): void {
    const { status, closes, isEndless } = head;
    const now = this.#now;
    backend.answered(now, now - sentAt, status);
    if (status < 500 && !isEndless && backend.ejection.cause !== 'slow') return;
    if (exchange?.service?.backendAnswered(backend, { status, answerMs: now - sentAt, closes }, now)) this.onReport();
  }

  /** An answer came to its end. */
  answerEnded(backend: Backend, { service, status }: Exchange): void {
    if (status < 500 && service?.backendAnswered(backend, { status, answerMs: 0, closes: false }, this.#now)) this.onReport();
  }

  /** A try has left its backend's list. */
  leftBackend(backend: Backend): void {
    if (backend.inFlight > 0) return;
    // A probe that its client gave up has told nothing: the next may be made.
    backend.isProbed = false;
    if (backend.draining) this.onReport();
  }

  /** Has `flush` called once all that the event loop has now was handled: what comes in one turn goes out together. */
  atEndOfTurn(who: { flush(): void }): void {
    this.#dirty.push(who);
    if (this.#dirty.length === 1 && this.#ring?.isTurning !== true) soon(this.#flushDirty);
  }

  later(delayMs: number, callback: () => void): Disposable {
    return after(delayMs, callback);
  }

  /** The first bytes of the scratch. */
  scratchTo(end: number): Buffer {
    return this.#scratchViews.first(end);
  }

  renewScratch(): void {
    this.scratch = Buffer.allocUnsafeSlow(scratchBytes);
    this.#scratchViews = new Views(this.scratch);
  }

  countRefusal(reason: string): void {
    this.lastRefusal = reason;
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
  }
}
