import type { Socket } from 'node:net';
import { constants } from 'node:os';
import type { TLSSocket } from 'node:tls';
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import { after, soon } from './clock.ts';
import { resetSocket } from './reset-socket.ts';
import { handleOf, internals, type StreamHandle, standsStillAt, type WriteRequest, writtenFor } from './stream-internals.ts';
import type { WireUser } from './wire.ts';

/** Beyond it a wire says that it is pending. */
const mostQueuedBytes = 64 * 1024;
/** A write this small is not asked whether the kernel took it; if it did not, the next one waits. */
const smallBytes = 4 * 1024;
const lookAgainMs = 20;
const NOTHING = Buffer.alloc(0);

type TlsHandle = Required<Pick<StreamHandle, 'writeBuffer' | 'readStart' | 'readStop' | 'writeQueueSize'>>;

/**
 * One TLS connection, used as a `Wire` is. What is written has been encrypted, or copied, when `write` returns; it says whether to wait for `onWritable` before more.
 *
 * T1: Node's TLS ends the process when a second write begins before the first is over. It is over when the TLS has handed all its bytes to the connection below
 * (`writeQueueSize` is 0); until then others wait in one queue. T2: nothing is handed to the user while reading is paused: what had been decrypted by then waits.
 * T3: Node looks for `oncomplete` when a write ends, so it is there only if somebody waits for that: most writes call nothing back, and their request is used again.
 * T4: a write that fails below is then told to nobody. Its bytes stay with the TLS though nothing is under way below: who waits next sees that.
 */
export class TlsWire {
  readonly #socket: TLSSocket;
  /** The TCP connection below it. */
  readonly #raw: Socket;
  readonly #user: WireUser;
  /** Set while writes skip the stream machinery. */
  #handle: TlsHandle | undefined;
  /** Set if reads skip it: they do to the end, whatever becomes of writes. */
  #reader: TlsHandle | undefined;
  #buffer: Buffer;
  #nextBuffer: Buffer | undefined;
  /** Of the write under way, or of the last one. */
  #request: WriteRequest<TlsWire> | undefined;
  #isAwaited = false;
  /** How often somebody has begun to wait. */
  #waits = 0;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  /** `write` said that it is pending, and `onWritable` has not come yet. */
  isPending = false;
  #isPaused = false;
  #parked: Buffer[] = [];
  #isEnding = false;
  #hasEnded = false;
  #isClosed = false;
  #error: NodeJS.ErrnoException | undefined;

  /** Takes over a connection whose handshake is done, and `raw`, which it runs over. Reading goes into `buffer`. */
  constructor(socket: TLSSocket, raw: Socket, user: WireUser, buffer: Buffer) {
    this.#socket = socket;
    this.#raw = raw;
    this.#user = user;
    this.#buffer = buffer;
    raw.setNoDelay(true);
    socket.on('end', () => this.#ended());
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => {
      this.#isClosed = true;
      this.#handle = undefined;
      this.#reader = undefined;
      user.onClosed(this.#error);
    });
    this.#goDirect();
    if (this.#handle === undefined) socket.on('data', (bytes: Buffer) => this.#take(bytes, bytes.length));
    else socket.resume();
  }

  /** Writes the bytes; true: it is pending. */
  write(bytes: Buffer): boolean {
    const handle = this.#handle;
    if (handle === undefined || internals === undefined) return this.#writeThroughStream(bytes);
    // T1.
    if (handle.writeQueueSize > 0) {
      this.#queue.push(Buffer.from(bytes));
      this.#queuedBytes += bytes.length;
      if (this.#queuedBytes > mostQueuedBytes) this.isPending = true;
      this.#await();
      return this.isPending;
    }
    const known = internals.givesRequest ? null : (this.#request ?? new internals.WriteWrap());
    const result = writtenFor(internals, handle.writeBuffer(known, bytes));
    if (typeof result === 'number' && result !== 0) {
      this.#broke(result);
      return false;
    }
    this.#request = known ?? (typeof result === 'number' ? undefined : result);
    if (bytes.length > smallBytes && (handleOf(this.#raw)?.writeQueueSize ?? 0) > 0) {
      this.isPending = true;
      this.#await();
    }
    return this.isPending;
  }

  /** The end of the write under way will be told (T3). */
  #await(): void {
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    const request = this.#request;
    this.#request = undefined;
    if (request !== undefined) {
      request.owner = this;
      request.oncomplete = requestDone;
    }
    // What is under way may not be ours, but a ticket or an answer to a change of keys: nobody tells its end.
    const wait = ++this.#waits;
    soon(() => this.#look(wait, -1));
  }

  /** `before`: where it stood still at the last look. */
  #look(wait: number, before: number): void {
    if (!this.#isAwaited || this.#isClosed || wait !== this.#waits) return;
    if ((this.#handle?.writeQueueSize ?? 0) === 0) {
      this.#written();
      return;
    }
    const at = standsStillAt(this.#socket, this.#raw);
    // T4.
    if (at >= 0 && at === before) this.#broke(-constants.errno.EPIPE);
    else after(lookAgainMs, () => this.#look(wait, at));
  }

  writeText(text: string): boolean {
    return this.write(Buffer.from(text, 'latin1'));
  }

  /** From the next read on another buffer is used. */
  changeBuffer(buffer: Buffer): void {
    this.#nextBuffer = buffer;
  }

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    if (this.#reader === undefined) this.#socket.pause();
    else this.#reader.readStop();
  }

  resume(): void {
    if (!this.#isPaused || this.#socket.destroyed) return;
    this.#isPaused = false;
    // Not at once: who resumes may have bytes that came before these.
    if (this.#parked.length > 0 || this.#hasEnded) process.nextTick(deliverParked, this);
    else this.#read();
  }

  /** All that was written, and the end, has been taken by the kernel. */
  get hasSentEnd(): boolean {
    return this.#socket.writableFinished;
  }

  /** Sends what is queued, then says that nothing more comes; `onWritable` follows. Reading goes on. */
  end(): void {
    this.#isEnding = true;
    if (this.#handle !== undefined && this.#handle.writeQueueSize > 0) {
      this.#await();
      return;
    }
    this.#handle = undefined;
    if (!this.#socket.writableEnded) this.#socket.once('finish', () => this.#user.onWritable());
    this.#socket.end();
  }

  /** Without the alert that says a message was whole: the other side must not take it for that. */
  destroy(): void {
    this.#isClosed = true;
    this.#handle = undefined;
    this.#reader = undefined;
    this.#socket.destroy();
  }

  /** Cuts the connection so that the other side sees an error and not an end. */
  reset(): void {
    this.#isClosed = true;
    this.#handle = undefined;
    this.#reader = undefined;
    resetSocket(this.#raw, this.#socket);
  }

  /** What could not be written is no end, which a close without an error would be. */
  #broke(errno: number): void {
    this.#error ??= Object.assign(new Error(`Cannot write: ${getSystemErrorMessage(errno)}`), { errno, code: getSystemErrorName(errno) });
    this.destroy();
  }

  #goDirect(): void {
    const handle = handleOf(this.#socket);
    if (internals === undefined || typeof handle?.writeBuffer !== 'function' || typeof handle.useUserBuffer !== 'function') return;
    if (typeof handle.onread !== 'function' || typeof handle.readStart !== 'function' || typeof handle.readStop !== 'function') return;
    if (typeof handle.writeQueueSize !== 'number') return;
    const { streamBaseState, kReadBytesOrError } = internals;
    const ofNode = handle.onread;
    handle.useUserBuffer(this.#buffer);
    handle.onread = (bytes) => {
      const count = streamBaseState[kReadBytesOrError] as number;
      // The end and errors are the socket's to tell.
      if (count <= 0 || this.#isClosed) return ofNode.call(handle, bytes);
      this.#take(this.#buffer, count);
      const next = this.#nextBuffer;
      if (next === undefined) return undefined;
      this.#nextBuffer = undefined;
      this.#buffer = next;
      return next;
    };
    this.#handle = handle as TlsHandle;
    this.#reader = this.#handle;
  }

  #take(bytes: Buffer, count: number): void {
    // T2. What was decrypted comes even after reading was stopped.
    if (this.#isPaused || this.#parked.length > 0) this.#parked.push(Buffer.from(bytes.subarray(0, count)));
    else this.#user.onBytes(bytes, count);
  }

  #ended(): void {
    this.#hasEnded = true;
    if (!this.#isPaused && this.#parked.length === 0) this.#user.onEnded();
  }

  #read(): void {
    if (this.#reader === undefined) this.#socket.resume();
    else this.#reader.readStart();
  }

  #writeThroughStream(bytes: Buffer): boolean {
    if (!this.#socket.writable) return false;
    // The stream keeps them until they are encrypted.
    this.#socket.write(Buffer.from(bytes));
    if (this.isPending || this.#socket.writableLength <= mostQueuedBytes) return this.isPending;
    this.isPending = true;
    // 'drain' does not fire below the high-water mark: the callback of an empty write comes after all bytes before it.
    this.#socket.write(NOTHING, () => this.#drained());
    return true;
  }

  #drained(): void {
    if (!this.isPending || this.#isClosed) return;
    this.isPending = false;
    this.#user.onWritable();
  }

  #written(): void {
    this.#isAwaited = false;
    if (this.#isClosed) return;
    if (this.#queue.length > 0) {
      const bytes = this.#queue.length === 1 ? (this.#queue[0] as Buffer) : Buffer.concat(this.#queue);
      this.#queue = [];
      this.#queuedBytes = 0;
      this.write(bytes);
      if (this.isPending || this.#isEnding) this.#await();
      return;
    }
    this.#drained();
    if (this.#isEnding) this.end();
  }

  static deliverParked(wire: TlsWire): void {
    while (wire.#parked.length > 0 && !wire.#isPaused && !wire.#isClosed) {
      const bytes = wire.#parked.shift() as Buffer;
      wire.#user.onBytes(bytes, bytes.length);
    }
    if (wire.#isPaused || wire.#isClosed) return;
    if (wire.#hasEnded) wire.#user.onEnded();
    else wire.#read();
  }

  static writeDone(wire: TlsWire, status: number): void {
    if (status < 0) wire.#broke(status);
    else if (wire.#isAwaited) wire.#written();
  }
}

function deliverParked(wire: TlsWire): void {
  TlsWire.deliverParked(wire);
}

function requestDone(this: WriteRequest<TlsWire>, status: number): void {
  const wire = this.owner;
  this.owner = undefined;
  if (wire !== undefined) TlsWire.writeDone(wire, status);
}
