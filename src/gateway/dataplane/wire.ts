import type { Socket } from 'node:net';

/** What a wire tells the one who uses it. */
export interface WireUser {
  /** `bytes` is valid during the call only, unless reading is paused before it returns. */
  onBytes(bytes: Buffer, count: number): void;
  onConnected(): void;
  /** All that was written has been taken by the kernel; after `end` the end as well. */
  onWritable(): void;
  /** The other side will send nothing more. */
  onEnded(): void;
  /** Once; nothing comes after it. */
  onClosed(error: NodeJS.ErrnoException | undefined): void;
}

/** One TCP connection: bytes in and out, and its end. */
export interface Wire {
  /** What was written has not been taken by the kernel. */
  readonly isPending: boolean;
  /** All that was written, and the end, has been taken by the kernel. */
  readonly hasSentEnd: boolean;
  /** Writes the bytes; true: they are pending, and must not change before `onWritable`. */
  write(bytes: Buffer): boolean;
  writeText(text: string): boolean;
  /** What is in the buffer that is read into is still being written: from the next read on this one is used, where wires read into a buffer of their user's. */
  changeBuffer(buffer: Buffer): void;
  pause(): void;
  resume(): void;
  /** Sends what is queued, then says that nothing more comes; `onWritable` follows. Reading goes on. */
  end(): void;
  destroy(): void;
  /** Cuts the connection so that the other side sees an error and not an end. */
  reset(): void;
}

export interface ConnectOptions {
  /**
   * A write that fails does not end the connection before what the other side had sent is read: who answers early and hangs up has answered. Its writes are then
   * pending for ever.
   */
  readonly readsWhatCame?: boolean;
}

/** How the connections of a worker are carried. */
export interface Wires {
  /** What is written to one connection in a turn of the event loop goes out together, at its end. */
  readonly gathers: boolean;
  /** Takes over a connection that a paused server accepted, to read it into `buffer`. `gone` is called when it has ended. */
  accepted(socket: Socket, user: WireUser, buffer: Buffer, gone?: () => void): Wire;
  /** Connects; `onConnected` or `onClosed` follows. */
  connected(address: { readonly host: string; readonly port: number }, user: WireUser, buffer: Buffer, options?: ConnectOptions): Wire;
}

/** No file, port or memory is left on this machine. */
const EXHAUSTED: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM']);

/** Whether a connection failed for want of something here, whatever the other side is like. */
export function isExhausted(error: NodeJS.ErrnoException | undefined): boolean {
  return EXHAUSTED.has(error?.code);
}
