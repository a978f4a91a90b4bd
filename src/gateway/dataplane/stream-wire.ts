import { Socket, type SocketConstructorOpts } from 'node:net';
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import { resetSocket } from './reset-socket.ts';
import { handleOf, internals, type StreamHandle, takeHandle, type WriteRequest, writeTo } from './stream-internals.ts';
import type { ConnectOptions, Wire, Wires, WireUser } from './wire.ts';

const NOTHING = Buffer.alloc(0);
const streamState = internals?.streamBaseState ?? new Int32Array(0);
const readCount = internals?.kReadBytesOrError ?? 0;

/**
 * One TCP connection read into a buffer that is used again and written with as little ceremony as Node allows.
 *
 * A write that the kernel does not take at once leaves its bytes referenced: `write` then returns true, and they must not change before `onWritable`.
 * Writes go straight to the socket's handle where this Node has the interface known here (they skip the stream machinery, a tenth of a
 * request's cost), else through the socket.
 */
export class StreamWire implements Wire {
  readonly #socket: Socket;
  readonly #user: WireUser;
  #pendingWrites = 0;
  #error: NodeJS.ErrnoException | undefined;
  #buffer: Buffer;
  #nextBuffer: Buffer | undefined;
  #isFenced = false;
  #isClosed = false;
  /** What had come before a write failed is read, up to the end, before the connection is over. */
  #readsWhatCame = false;
  /** Set while bytes may go straight to the kernel. */
  #handle: StreamHandle | undefined;
  /** What reads for the socket; it is told of the end and of errors. */
  #readOfNode: StreamHandle['onread'];

  private constructor(
    user: WireUser,
    makeSocket: (onread: { buffer: Buffer | (() => Buffer); callback: (count: number, buffer: Uint8Array) => boolean }) => Socket,
    buffer: Buffer,
  ) {
    this.#user = user;
    this.#buffer = buffer;
    this.#nextBuffer = buffer;
    this.#socket = makeSocket({
      // Asked after each read: a buffer to change to, or nothing to go on with the one in use.
      buffer: () => {
        const next = this.#nextBuffer;
        this.#nextBuffer = undefined;
        return next as Buffer;
      },
      callback: (count, bytes) => {
        if (!this.#isClosed) this.#user.onBytes(bytes as Buffer, count);
        return true;
      },
    });
    this.#socket.on('end', () => {
      // What broke has no end.
      if (this.#error === undefined) this.#user.onEnded();
      else this.destroy();
    });
    this.#socket.on('error', (error) => {
      this.#error = error;
    });
    this.#socket.on('close', () => {
      this.#isClosed = true;
      this.#handle = undefined;
      this.#user.onClosed(this.#error);
    });
  }

  /** From here on reads and writes skip the stream machinery if this Node allows it. */
  #goDirect(): void {
    const handle = handleOf(this.#socket);
    if (internals === undefined || handle === null || typeof handle.writeBuffer !== 'function' || typeof handle.onread !== 'function') return;
    this.#handle = handle;
    this.#nextBuffer = undefined;
    this.#readOfNode = handle.onread;
    handle.wire = this;
    handle.onread = directRead;
  }

  static directRead(wire: StreamWire, handle: StreamHandle, bytes: ArrayBuffer | undefined): Buffer | undefined {
    const count = streamState[readCount] as number;
    // The end and errors are the socket's to tell.
    if (count <= 0 || wire.#isClosed) return wire.#readOfNode?.call(handle, bytes);
    wire.#user.onBytes(wire.#buffer, count);
    const next = wire.#nextBuffer;
    if (next === undefined) return undefined;
    wire.#nextBuffer = undefined;
    wire.#buffer = next;
    return next;
  }

  /** Takes over a connection that a paused server accepted. `net.Server` offers no buffer of ours for it, so its handle is wrapped again. `gone` is called when it has ended. */
  static accepted(socket: Socket, user: WireUser, buffer: Buffer, gone?: () => void): StreamWire {
    const handle = takeHandle(socket);
    socket.destroy();
    const wire = new StreamWire(user, (onread) => new Socket({ handle, onread, allowHalfOpen: true } as unknown as SocketConstructorOpts), buffer);
    wire.#socket.setNoDelay(true);
    if (gone !== undefined) wire.#socket.once('close', gone);
    wire.#goDirect();
    wire.#socket.resume();
    return wire;
  }

  /**
   * Connects; `onConnected` or `onClosed` follows. With `readsWhatCame` a write that fails does not end it before what the other side had sent is read: who answers
   * early and hangs up has answered. Its writes are then pending for ever.
   */
  static connected(address: { readonly host: string; readonly port: number }, user: WireUser, buffer: Buffer, options: ConnectOptions = {}): StreamWire {
    const wire = new StreamWire(user, (onread) => new Socket({ onread, allowHalfOpen: true } as unknown as SocketConstructorOpts), buffer);
    wire.#readsWhatCame = options.readsWhatCame === true;
    wire.#socket.once('connect', () => {
      wire.#goDirect();
      user.onConnected();
    });
    wire.#socket.setNoDelay(true);
    wire.#socket.connect({ host: address.host, port: address.port });
    return wire;
  }

  get isPending(): boolean {
    return this.#pendingWrites > 0;
  }

  /** All that was written, and the end, has been taken by the kernel. */
  get hasSentEnd(): boolean {
    return this.#socket.writableFinished;
  }

  /** Writes the bytes; true when they are still referenced until `onWritable`. */
  write(bytes: Buffer): boolean {
    const handle = this.#handle;
    if (handle === undefined || internals === undefined) return this.#writeThroughStream(bytes);
    const result = writeTo(internals, handle as Required<StreamHandle>, bytes);
    if (typeof result === 'number') {
      if (result !== 0) this.#broke(result);
      return this.#pendingWrites > 0;
    }
    const request = result as WriteRequest<StreamWire>;
    request.owner = this;
    request.bytes = bytes;
    request.oncomplete = directWriteDone;
    this.#pendingWrites++;
    return true;
  }

  writeText(text: string): boolean {
    return this.write(Buffer.from(text, 'latin1'));
  }

  /** From the next read on another buffer is used, because what is in this one is still being written. */
  changeBuffer(buffer: Buffer): void {
    this.#nextBuffer = buffer;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#socket.destroyed) this.#socket.resume();
  }

  /** Sends what is queued, then says that nothing more comes; `onWritable` follows. Reading goes on. */
  end(): void {
    this.#handle = undefined;
    if (!this.#socket.writableEnded) this.#socket.once('finish', () => this.#user.onWritable());
    this.#socket.end();
  }

  destroy(): void {
    this.#isClosed = true;
    this.#handle = undefined;
    this.#socket.destroy();
  }

  /** Cuts the connection so that the other side sees an error and not an end. */
  reset(): void {
    this.#isClosed = true;
    this.#handle = undefined;
    resetSocket(this.#socket);
  }

  #writeThroughStream(bytes: Buffer): boolean {
    if (this.#error !== undefined) return this.#pendingWrites > 0;
    if (!this.#socket.writable) return false;
    this.#socket.write(bytes);
    if (this.#socket.writableLength === 0) return false;
    if (this.#isFenced) return true;
    this.#isFenced = true;
    this.#pendingWrites++;
    // 'drain' does not fire below the high-water mark: the callback of an empty write comes after all bytes before it.
    this.#socket.write(NOTHING, () => {
      this.#isFenced = false;
      this.#written();
    });
    return true;
  }

  #written(): void {
    this.#pendingWrites--;
    if (this.#pendingWrites === 0 && !this.#socket.destroyed) this.#user.onWritable();
  }

  /** What could not be written is no end, which a close without an error would be. */
  #broke(errno: number): void {
    this.#error ??= Object.assign(new Error(`Cannot write: ${getSystemErrorMessage(errno)}`), { errno, code: getSystemErrorName(errno) });
    // While nobody takes what comes it is not read: then the connection is over now, not when somebody does.
    if (!this.#readsWhatCame || this.#isClosed || this.#socket.isPaused()) {
      this.destroy();
      return;
    }
    this.#handle = undefined;
    this.#pendingWrites++;
  }

  static directWriteDone(wire: StreamWire, status: number): void {
    if (status < 0) wire.#broke(status);
    wire.#written();
  }
}

/** Each connection is read and written by itself. */
export const STREAM_WIRES: Wires = { gathers: false, accepted: StreamWire.accepted, connected: StreamWire.connected };

function directRead(this: StreamHandle, bytes: ArrayBuffer | undefined): Buffer | undefined {
  return StreamWire.directRead(this.wire as StreamWire, this, bytes);
}

function directWriteDone(this: WriteRequest<StreamWire>, status: number): void {
  const wire = this.owner;
  this.owner = undefined;
  this.bytes = undefined;
  if (wire !== undefined) StreamWire.directWriteDone(wire, status);
}
