import { Socket, type SocketConstructorOpts } from 'node:net';
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import { type TcpHandle, takeHandle } from '../stream-internals.ts';
import type { Wire, WireUser } from '../wire.ts';
import { Outbox, type OutboxUser } from './outbox.ts';
import { COMPLETION } from './queues.ts';
import { BUFFER_BYTES } from './receive-buffers.ts';
import type { Ring, RingUser } from './ring.ts';
import { STOPPED } from './system-calls.ts';

/** Y6. After so many that were small, another big one is not expected. */
const enoughSmall = 4;

/**
 * A TCP connection that the ring reads and writes.
 *
 * Y1: a receive is under way in the kernel from the start to the end of reading, but while it is paused; what was received before a pause came through waits, copied. Y2: the file is closed once
 * nothing of it is under way, and `onClosed` comes with that, last and once. Y3: the end is sent after all bytes. Y4: what a
 * user throws stops nothing: the connection goes on, or ends, as it would have. Y5: a receive that goes on is
 * not always told of a cut that comes with bytes: kernels look once for what has happened twice. So the cut is told apart, and from then on each receive is begun anew until it tells the end.
 * Y6: a receive that goes on brings up to 32 buffers before anybody can pause it, so it is for connections on
 * which little comes at a time: one that is new, was paused or fills buffers receives into one by one, and what is held for who does not take it is little.
 */
export class RingWire implements Wire, RingUser, OutboxUser {
  slot = -1;
  file = -1;
  readonly #ring: Ring;
  readonly #user: WireUser;
  readonly #outbox: Outbox;
  readonly #readsWhatCame: boolean;
  /** While it is being made. */
  #socket: Socket | undefined;
  /** Afterwards. */
  #handle: TcpHandle | undefined;
  #isReceiving = false;
  /** It is still to be told that the other side has ended or cut the connection (Y5). */
  #awaitsHangUp = false;
  #hasHungUp = false;
  #isPaused = false;
  /** Receives that did not fill their buffer. */
  #smallInARow = 0;
  /** What came while it was paused. */
  #held: Buffer[] = [];
  #hasEnded = false;
  #endIsTold = false;
  #isEnding = false;
  #hasSentEnd = false;
  #endSentIsTold = false;
  #isWaiting = false;
  #isClosed = false;
  #resets = false;
  #isOver = false;
  #error: NodeJS.ErrnoException | undefined;
  #gone: (() => void) | undefined;

  private constructor(ring: Ring, user: WireUser, readsWhatCame: boolean) {
    this.#ring = ring;
    this.#user = user;
    this.#readsWhatCame = readsWhatCame;
    this.#outbox = new Outbox(ring, this);
  }

  /** Takes over a connection that a paused server accepted. `gone` is called when it has ended. */
  static accepted(ring: Ring, socket: Socket, user: WireUser, gone?: () => void): RingWire {
    const wire = new RingWire(ring, user, false);
    wire.#gone = gone;
    ring.noteAccepted();
    wire.#open(socket);
    return wire;
  }

  /** Connects; `onConnected` or `onClosed` follows. */
  static connected(ring: Ring, address: { readonly host: string; readonly port: number }, user: WireUser, { readsWhatCame = false } = {}): RingWire {
    const wire = new RingWire(ring, user, readsWhatCame);
    const socket = new Socket({ allowHalfOpen: true } satisfies SocketConstructorOpts);
    wire.#socket = socket;
    socket.pause();
    socket.on('error', (error) => {
      wire.#error = error;
    });
    const closed = () => {
      wire.#socket = undefined;
      wire.#over();
    };
    socket.once('close', closed);
    socket.once('connect', () => {
      socket.off('close', closed);
      wire.#socket = undefined;
      wire.#open(socket);
      if (wire.#isClosed) return;
      wire.#outbox.opened();
      if (wire.#isEnding) wire.#sendEndAfterAll();
      user.onConnected();
    });
    socket.connect({ host: address.host, port: address.port });
    return wire;
  }

  get isPending(): boolean {
    return !this.#isClosed && this.#outbox.tellsPending();
  }

  get hasSentEnd(): boolean {
    return this.#hasSentEnd;
  }

  write(bytes: Buffer): boolean {
    if (this.#isClosed || this.#isEnding || bytes.length === 0) return this.isPending;
    return this.#handle === undefined ? this.#outbox.wait(bytes) : this.#outbox.add(bytes);
  }

  writeText(text: string): boolean {
    return this.write(Buffer.from(text, 'latin1'));
  }

  changeBuffer(): void {}

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#smallInARow = 0;
    if (this.#isReceiving && !this.#isClosed) {
      this.#ring.queues.cancelReceive(this.slot);
      this.#ring.due();
    }
  }

  resume(): void {
    if (!this.#isPaused || this.#isClosed) return;
    this.#isPaused = false;
    if (this.#held.length > 0 || this.#hasEnded) this.#later();
    else this.#receive();
  }

  end(): void {
    if (this.#isEnding || this.#isClosed) return;
    this.#isEnding = true;
    if (this.#handle === undefined) return;
    this.#sendEndAfterAll();
  }

  destroy(): void {
    if (this.#isClosed) return;
    if (this.#handle !== undefined) this.#outbox.sendNow();
    this.#close();
  }

  reset(): void {
    if (this.#isClosed) return;
    this.#resets = true;
    if (this.#handle !== undefined) this.#outbox.sendNow();
    this.#close();
  }

  received(result: number, flags: number): void {
    if ((flags & COMPLETION.goesOn) === 0) this.#isReceiving = false;
    const { buffers } = this.#ring;
    const id = (flags & COMPLETION.hasBuffer) === 0 ? -1 : flags >>> COMPLETION.bufferShift;
    // Y4.
    try {
      if (this.#isClosed) return;
      if (result > 0) {
        if (result === BUFFER_BYTES) this.#smallInARow = 0;
        else this.#smallInARow++;
        this.#came(buffers.bytes(id), result);
      } else if (!STOPPED.has(result)) this.#ended(result);
    } finally {
      if (id >= 0) buffers.give(id);
      if (this.#isReceiving) {
        if (this.#hasHungUp) this.#receiveAnew();
      } else if (this.#isClosed) this.#finish();
      else this.#receive();
    }
  }

  /** Y5. */
  hungUp(): void {
    this.#awaitsHangUp = false;
    this.#hasHungUp = true;
    if (this.#isClosed) this.#finish();
    else if (this.#isReceiving) this.#receiveAnew();
  }

  #receiveAnew(): void {
    if (this.#isClosed) return;
    this.#ring.queues.cancelReceive(this.slot);
    this.#ring.due();
  }

  sent(result: number): void {
    this.#outbox.sent(result);
    if (this.#isClosed) this.#finish();
    else if (this.#isEnding && !this.#outbox.isPending) this.#sendEnd();
  }

  taken(): void {
    if (!this.#isClosed && !this.#isEnding) this.#user.onWritable();
  }

  /** What could not be written is no end, which a close without an error would be. */
  broke(errno: number): void {
    if (this.#isClosed) return;
    this.#error ??= errorOf('write', errno);
    // While nobody takes what comes it is not read: then the connection is over now, not when somebody does.
    if (!this.#readsWhatCame || this.#isPaused || this.#endIsTold) this.#close();
  }

  goOn(): void {
    this.#isWaiting = false;
    if (this.#isClosed) {
      this.#finish();
      return;
    }
    if (this.#hasSentEnd && !this.#endSentIsTold) {
      this.#endSentIsTold = true;
      this.#user.onWritable();
    }
    while (!this.#isPaused && !this.#isClosed) {
      const bytes = this.#held.shift();
      if (bytes === undefined) break;
      this.#user.onBytes(bytes, bytes.length);
    }
    if (this.#isPaused || this.#isClosed) return;
    if (this.#hasEnded) this.#tellEnd();
    else this.#receive();
  }

  #open(socket: Socket): void {
    const handle = takeHandle(socket);
    socket.destroy();
    if (handle === undefined) {
      this.#close();
      return;
    }
    handle.setNoDelay(true);
    this.#handle = handle;
    this.file = handle.fd;
    this.slot = this.#ring.enter(this);
    this.#awaitsHangUp = true;
    this.#ring.queues.awaitHangUp(this.slot, this.file);
    this.#ring.due();
    this.#receive();
  }

  /** Y1. */
  #receive(): void {
    if (this.#isReceiving || this.#isPaused || this.#hasEnded || this.#held.length > 0 || this.#handle === undefined) return;
    this.#isReceiving = true;
    const { queues, buffers } = this.#ring;
    // Y6.
    queues.receive(this.slot, this.file, this.#smallInARow < enoughSmall ? buffers.one : buffers.many);
    this.#ring.due();
  }

  #came(bytes: Buffer, count: number): void {
    if (this.#isPaused || this.#held.length > 0) this.#held.push(Buffer.from(bytes.subarray(0, count)));
    else this.#user.onBytes(bytes, count);
  }

  #ended(result: number): void {
    this.#hasEnded = true;
    if (result < 0) this.#error ??= errorOf('read', result);
    if (!this.#isPaused && this.#held.length === 0) this.#tellEnd();
  }

  #tellEnd(): void {
    // What broke has no end.
    if (this.#error !== undefined) {
      this.#close();
      return;
    }
    if (!this.#endIsTold) {
      this.#endIsTold = true;
      this.#user.onEnded();
    }
    // Both sides have said that nothing more comes.
    if (this.#hasSentEnd) this.#close();
  }

  /** Y3. */
  #sendEndAfterAll(): void {
    this.#outbox.sendNow();
    if (!this.#outbox.isPending) this.#sendEnd();
  }

  #sendEnd(): void {
    if (this.#hasSentEnd) return;
    this.#hasSentEnd = true;
    this.#ring.calls.endWrites(this.file);
    this.#later();
    if (this.#endIsTold) this.#close();
  }

  #later(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#ring.later(this);
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#held = [];
    this.#outbox.drop();
    // Where there is no connection yet there is none to reset.
    if (this.#socket !== undefined) this.#socket.destroy();
    else if (this.#isReceiving || this.#awaitsHangUp || this.#outbox.isSending) {
      this.#ring.queues.cancelAll(this.file);
      this.#ring.due();
    } else this.#later();
  }

  /** Y2. */
  #finish(): void {
    if (this.#isReceiving || this.#awaitsHangUp || this.#outbox.isSending || this.#isOver) return;
    const handle = this.#handle;
    this.#handle = undefined;
    if (handle !== undefined) {
      this.#ring.leave(this.slot);
      if (!this.#resets || handle.reset() !== 0) handle.close();
    }
    this.#over();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isClosed = true;
    this.#isOver = true;
    this.#gone?.();
    this.#user.onClosed(this.#error);
  }
}

function errorOf(what: string, errno: number): NodeJS.ErrnoException {
  return Object.assign(new Error(`Cannot ${what}: ${getSystemErrorMessage(errno)}`), { errno, code: getSystemErrorName(errno) });
}
