import { hashText } from '#policy/balance/key-hash';
import { RETRY_PACE } from '#policy/balance/retry';
import { type Admitted, newAdmitted } from './admission.ts';
import type { Backend } from './backend.ts';
import type { Client } from './client.ts';
import { LIMITS } from './limits.ts';
import type { Origin } from './origin.ts';
import type { Plane } from './plane.ts';
import type { Termination } from './request-account.ts';
import type { Service } from './service.ts';
import type { TunnelEnd } from './tcp-counts.ts';
import { type DrainedTunnel, earliestEnd, type TunnelDrain } from './tunnel-drain.ts';
import { TunnelSide, type TunnelUser } from './tunnel-side.ts';
import { isExhausted, type Wire, type WireUser } from './wire.ts';

/** A connection to be carried to a service. */
export interface TunnelRequest {
  /** `app/service`. */
  readonly service: string;
  readonly origin: Origin;
  readonly openWire: (user: WireUser) => Wire;
  /** What came with an earlier step's bytes. */
  readonly early: Buffer | null;
}

/** Carries a connection to a backend of its service. If there is no such service any more, the connection ends. */
export function openTunnel(plane: Plane, request: TunnelRequest): void {
  const service = plane.services.get(request.service);
  if (service === undefined) request.openWire(NOBODY).reset();
  else new TcpTunnel(plane, service, request);
}

const NOBODY: WireUser = {
  onBytes: () => undefined,
  onConnected: () => undefined,
  onWritable: () => undefined,
  onEnded: () => undefined,
  onClosed: () => undefined,
};

/** As in the access log of requests: who ended it, and in which phase. */
const TERMINATION: Readonly<Record<TunnelEnd, Termination>> = { client: '--', backend: '--', idle: 'cT', drain: 'PT', nobody: 'SC', refused: 'PR' };

/**
 * A client's connection that is carried to one backend as it is, whatever it speaks (L4).
 *
 * T1: the client is not read before a backend has accepted, so a backend that does not can be replaced by another, and nothing is sent twice. T2: it is in
 * `backend.tcpTunnels` from the try to its end. T3: what one side sent reaches the other before the end it sent after it (half-close). T4: a side that does not take
 * what it is handed stops the reading of the other.
 */
export class TcpTunnel implements Client, TunnelUser, DrainedTunnel {
  next: Client | undefined;
  previous: Client | undefined;
  deadlineAt = Number.POSITIVE_INFINITY;
  heldUntil = 0;
  retryAt = 0;
  readonly heldBytes = 0;
  openedAt = 0;
  readonly luck: number;

  readonly #plane: Plane;
  readonly #service: Service;
  readonly #who: Admitted;
  readonly #client: TunnelSide;
  readonly #startedAt: number;
  readonly #tls: string;
  #early: Buffer | null;
  #server: TunnelSide | undefined;
  #backend: Backend | undefined;
  #isConnected = false;
  #isHeld = false;
  #isEnding = false;
  #isOver = false;
  /** When it has been idle for too long. */
  #idleAt = Number.POSITIVE_INFINITY;
  /** When a drain ends it. */
  #endsAt = Number.POSITIVE_INFINITY;
  #tries = 0;
  #tried: Backend[] | undefined;
  #heldAt = 0;
  #queuedMs = 0;
  #connectMs = 0;
  #backendName = '';
  #bytesIn = 0;
  #bytesOut = 0;
  #firstToEnd: TunnelSide | undefined;

  constructor(plane: Plane, service: Service, { origin, openWire, early }: TunnelRequest) {
    this.#plane = plane;
    this.#service = service;
    this.#early = early;
    this.#tls = origin.tls?.version ?? '';
    this.#startedAt = plane.tick();
    this.luck = plane.luck();
    this.#who = newAdmitted(origin.peer);
    this.#who.keyHash = hashText(origin.peer);
    plane.clientsAccepted++;
    plane.clients.add(this);
    service.entered();
    service.tcp.opened++;
    this.#client = new TunnelSide(this, openWire);
    // T1.
    this.#client.wire.pause();
    if (service.admission?.mayConnect(this.#who, this.#startedAt) === false) {
      this.#end('refused');
      return;
    }
    service.budget.countRequest(this.#startedAt);
    this.#dispatch(this.#startedAt);
  }

  /** Somebody may be usable again. */
  dispatchHeld(): void {
    this.#leaveHold();
    this.#tried = undefined;
    this.#tries = 0;
    this.#dispatch(this.#plane.now());
  }

  holdExpired(): void {
    this.#leaveHold();
    this.#end('nobody');
  }

  #leaveHold(): void {
    this.#isHeld = false;
    this.#queuedMs += this.#plane.now() - this.#heldAt;
  }

  expired(): void {
    const now = this.#plane.now();
    if (this.#isEnding) this.destroy();
    else if (this.#backend !== undefined && !this.#isConnected) this.#failed(now);
    else if (now >= this.#endsAt) this.#endInOrder('drain');
    else this.#end('idle');
  }

  /** A tunnel is never idle in that sense; it ends with the drain. */
  endWhenIdle(): void {}

  /** Tells under which drains it is now. Called as often as one likes. */
  drain(drains: readonly (TunnelDrain | undefined)[]): void {
    this.#endsAt = earliestEnd(drains, this);
    if (this.#isConnected && !this.#isEnding) this.deadlineAt = Math.min(this.#idleAt, this.#endsAt);
  }

  destroy(): void {
    this.#end('client');
  }

  connected(): void {
    const now = this.#plane.tick();
    const backend = this.#backend as Backend;
    this.#isConnected = true;
    const connectMs = now - this.openedAt;
    this.#connectMs += connectMs;
    if (backend.refuses) {
      backend.refuses = false;
      this.#service.refresh();
    }
    backend.connects.add(connectMs);
    backend.answered(now, connectMs, 200);
    if (this.#service.backendAnswered(backend, { status: 200, answerMs: connectMs, closes: false }, now)) this.#plane.onReport();
    this.#moved(now);
    const early = this.#early;
    this.#early = null;
    if (early !== null) this.#sendEarly(early);
    if (!this.#client.isPaused) this.#client.wire.resume();
    if (this.#service.heldCount > 0) this.#service.releaseHeld();
  }

  #sendEarly(early: Buffer): void {
    this.#service.tcp.bytesFromClients += early.length;
    this.#bytesIn += early.length;
    if (this.#server?.wire.write(early)) this.#client.isPaused = true;
  }

  /** Hands on what came from one side, in at most one read. */
  pass(from: TunnelSide, bytes: Buffer, count: number): void {
    const to = this.#otherOf(from);
    if (to === undefined) return;
    const { tcp } = this.#service;
    if (from === this.#client) {
      tcp.bytesFromClients += count;
      this.#bytesIn += count;
    } else {
      tcp.bytesToClients += count;
      this.#bytesOut += count;
    }
    this.#moved(this.#plane.tick());
    const { tunnelBuffers } = this.#plane;
    bytes.copy(tunnelBuffers.current, 0, 0, count);
    if (!to.wire.write(tunnelBuffers.current.subarray(0, count))) return;
    to.writing = tunnelBuffers.lend();
    // T4.
    from.isPaused = true;
    from.wire.pause();
  }

  /** A side has taken all it was handed. */
  taken(by: TunnelSide): void {
    if (by.writing !== undefined) this.#plane.tunnelBuffers.giveBack(by.writing);
    by.writing = undefined;
    const from = this.#otherOf(by);
    if (from === undefined || !from.isPaused) return;
    this.#moved(this.#plane.tick());
    from.isPaused = false;
    from.wire.resume();
  }

  /** A side sends nothing more. */
  sideEnded(side: TunnelSide): void {
    side.hasEnded = true;
    this.#firstToEnd ??= side;
    this.#otherOf(side)?.wire.end();
  }

  sideClosed(side: TunnelSide, error: Error | undefined): void {
    side.isClosed = true;
    const now = this.#plane.tick();
    if (this.#isOver || (side !== this.#client && side !== this.#server)) return;
    if (side === this.#server && !this.#isConnected) {
      this.#failed(now, isExhausted(error) ? 'exhausted' : 'refused');
      return;
    }
    const other = this.#otherOf(side);
    // T3: the other side may still be taking what it was handed.
    if (error === undefined && side.hasEnded && other?.hasEnded && !other.isClosed) return;
    this.#end((this.#firstToEnd ?? side) === this.#client ? 'client' : 'backend', error !== undefined);
  }

  #otherOf(side: TunnelSide): TunnelSide | undefined {
    return side === this.#client ? this.#server : this.#client;
  }

  #moved(now: number): void {
    this.#idleAt = now + this.#service.times.tunnelIdleMs;
    if (!this.#isEnding) this.deadlineAt = Math.min(this.#idleAt, this.#endsAt);
  }

  #dispatch(now: number): void {
    const tried = this.#tried;
    const backend = this.#service.pickFor(tried, now, this.#who) ?? (tried && this.#service.pickDoubtful(tried));
    if (backend === undefined) {
      this.#hold(now);
      return;
    }
    this.#tries++;
    this.openedAt = now;
    this.#backend = backend;
    this.#backendName = backend.name;
    // Those of a backend that did not take it are not its own.
    this.#endsAt = Number.POSITIVE_INFINITY;
    backend.tcpTunnels.add(this);
    backend.connectionsOpened++;
    this.deadlineAt = now + this.#service.times.connectMs;
    this.#server = new TunnelSide(this, (user) => this.#plane.wires.connected(backend.address, user, this.#plane.readBuffer));
  }

  #hold(now: number): void {
    this.deadlineAt = Number.POSITIVE_INFINITY;
    if (this.heldUntil === 0) this.heldUntil = now + LIMITS.holdMs;
    // who has just refused it is not asked by it again at once.
    this.retryAt = this.#tried === undefined ? 0 : now + Math.min(RETRY_PACE.sameServerMs, this.#service.times.connectMs);
    this.#heldAt = now;
    this.#isHeld = now < this.heldUntil && this.#service.hold(this);
    if (!this.#isHeld) this.#end('nobody');
  }

  /** The try has failed before anything was sent: another backend may have it. */
  #failed(now: number, failure: 'refused' | 'exhausted' = 'refused'): void {
    const backend = this.#backend as Backend;
    const { wire } = this.#server as TunnelSide;
    this.#server = undefined;
    wire.destroy();
    this.#leaveBackend();
    this.#tried ??= [];
    this.#tried.push(backend);
    const service = this.#service;
    if (failure === 'refused') {
      if (!backend.refuses) {
        backend.refuses = true;
        service.refresh();
      }
      if (service.backendFailed(backend, now)) this.#plane.onReport();
    }
    const facts = {
      failure,
      answerStarted: false,
      requestSent: false,
      idempotent: true,
      replayable: true,
      tries: this.#tries,
      optedIn: false,
    } as const;
    if (service.decideRetry(facts, now).retry) {
      service.counts.retried('refused');
      this.#dispatch(now);
    } else this.#hold(now);
  }

  /** Tells both sides that nothing more comes, and gives them a moment to see it. */
  #endInOrder(why: TunnelEnd): void {
    this.#isEnding = true;
    this.#service.tcp.ended[why]++;
    this.deadlineAt = this.#plane.now() + LIMITS.lingerMs;
    this.#client.wire.end();
    this.#server?.wire.end();
  }

  #end(why: TunnelEnd, isReset = false): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#isHeld) this.#service.leaveHeld(this);
    for (const side of [this.#client, this.#server]) {
      if (side === undefined || side.isClosed) continue;
      if (isReset || why === 'nobody' || why === 'refused') side.wire.reset();
      else side.wire.destroy();
    }
    this.#leaveBackend();
    this.#plane.clients.remove(this);
    if (!this.#isEnding) this.#service.tcp.ended[why]++;
    this.#log(why);
    this.#service.left();
  }

  #log(why: TunnelEnd): void {
    const { accessLog } = this.#plane;
    if (accessLog === undefined) return;
    const totalMs = this.#plane.now() - this.#startedAt;
    accessLog.add({
      id: '',
      client: this.#who.peer,
      protocol: 'tcp',
      tls: this.#tls,
      method: '',
      host: '',
      path: '',
      status: 0,
      end: TERMINATION[why],
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      queueMs: this.#queuedMs,
      connectMs: this.#connectMs,
      firstByteMs: 0,
      totalMs,
      service: this.#service.key,
      backend: this.#backendName,
      tries: this.#tries,
    });
  }

  #leaveBackend(): void {
    const backend = this.#backend;
    this.#backend = undefined;
    if (backend === undefined) return;
    backend.tcpTunnels.delete(this);
    backend.isProbed = false;
    if (backend.draining && backend.inFlight === 0) this.#plane.onReport();
  }
}
