import { RingError, type SystemCalls } from './system-calls.ts';

const registerEventFile = 4;
/** A count of 64 bits is read at once. */
const countBytes = 64;

/** What Node reads a stream with, as far as it is used here. It is not documented: where it is another, there is no ring. */
interface PipeHandle {
  open(file: number): unknown;
  useUserBuffer(buffer: Buffer): void;
  readStart(): number;
  onread: () => void;
  ref(): void;
  unref(): void;
}

interface PipeKind {
  new (kind: number): PipeHandle;
  readonly prototype: Partial<PipeHandle>;
}

/** Lets the event loop hear that something has completed: the kernel counts in an event file, and the loop reads that as it reads any connection. */
export class WakeFile {
  readonly #pipe: PipeHandle;
  /** Read into as long as the file is open, so it is kept as long. */
  readonly #count = Buffer.alloc(countBytes);

  constructor(calls: SystemCalls, ring: number, woken: () => void) {
    const { Pipe } = (process as unknown as { binding(name: string): { readonly Pipe: PipeKind } }).binding('pipe_wrap');
    // Once the file is the pipe's nothing may fail.
    const { useUserBuffer, readStart } = Pipe.prototype;
    if (typeof useUserBuffer !== 'function' || typeof readStart !== 'function') throw new Error('this version of Node reads its streams in another way');
    const file = calls.eventFile();
    if (file < 0) throw new RingError('eventfd', file);
    const argument = Buffer.alloc(4);
    argument.writeInt32LE(file);
    const result = calls.register(ring, registerEventFile, argument);
    if (result < 0) throw new RingError('io_uring_register of the event file', result);
    this.#pipe = new Pipe(0);
    this.#pipe.open(file);
    this.#pipe.useUserBuffer(this.#count);
    this.#pipe.onread = woken;
    this.#pipe.readStart();
    this.#pipe.unref();
  }

  /** Whether the process goes on for it, as it does for an open connection. */
  set isNeeded(isNeeded: boolean) {
    if (isNeeded) this.#pipe.ref();
    else this.#pipe.unref();
  }
}
