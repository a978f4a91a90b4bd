/**
 * The parts of Node's stream handles that a wire uses directly where they are as known here: reads and writes then skip the stream machinery, a tenth of a request's
 * cost. They are not documented, so every use has a fallback.
 */
export interface StreamHandle {
  /** Takes a request and gives an error number, 0 for none; later versions of Node take none and give one if the write is not over, else the number. */
  writeBuffer?(request: object | null, bytes: Buffer): number | WriteRequest<never>;
  useUserBuffer?(buffer: Buffer): void;
  readStart?(): number;
  readStop?(): number;
  onread?: (this: StreamHandle, bytes: ArrayBuffer | undefined) => Buffer | undefined;
  readonly writeQueueSize?: number;
  readonly bytesWritten?: number;
  /** Whose handle it is: one function serves the reads of all. */
  wire?: unknown;
}

export interface WriteRequest<Owner> {
  owner: Owner | undefined;
  bytes: Buffer | undefined;
  oncomplete: (status: number) => void;
  /** Of a write that was over before anybody could be told. */
  readonly writeStatus?: number | null;
}

interface StreamInternals {
  readonly WriteWrap: new () => WriteRequest<never>;
  /** `writeBuffer` gives the request, rather than taking one. */
  readonly givesRequest: boolean;
  readonly streamBaseState: Int32Array;
  readonly kLastWriteWasAsync: number;
  readonly kLastWriteErr: number;
  readonly kReadBytesOrError: number;
}

/** `undefined`: use the public streams. */
export const internals = knownInternals();

let spare: WriteRequest<never> | undefined;

/** The connection below a `net.Socket`. */
export interface TcpHandle {
  readonly fd: number;
  reading: boolean;
  setNoDelay(on: boolean): void;
  readStop(): void;
  close(): void;
  /** 0 if it is closed so that the other side sees an error. */
  reset(): number;
}

/** Takes the connection out of a socket, which no longer reads it; nothing if it has none any more. */
export function takeHandle(socket: object): TcpHandle | undefined {
  const holder = socket as { _handle: TcpHandle | null };
  const handle = holder._handle;
  holder._handle = null;
  if (handle?.reading) {
    // An earlier step has read from it, perhaps to the end: its next owner reads that anew.
    handle.readStop();
    handle.reading = false;
  }
  return handle ?? undefined;
}

/** The handle of a socket, whatever it has of what is known here. */
export function handleOf(socket: object): StreamHandle | null {
  return (socket as { readonly _handle: StreamHandle | null })._handle;
}

/**
 * Where a TLS stands still: how many bytes it has handed to `raw`, the connection below it, while it has others and none are under way there. -1: it does not. The same twice,
 * with a turn of the event loop between: its last write has failed, of which Node does not always tell, and none will ever be over.
 */
export function standsStillAt(tls: object, raw: object): number {
  if ((handleOf(tls)?.writeQueueSize ?? 0) === 0) return -1;
  const below = handleOf(raw);
  return (below?.writeQueueSize ?? 0) > 0 ? -1 : (below?.bytesWritten ?? 0);
}

/**
 * Hands bytes to the kernel. Gives 0 if it took them all, a number below 0 if the connection broke, or the request of a write that is not over: its `oncomplete`
 * is called later, with the same numbers. The bytes must not change before.
 */
export function writeTo(known: StreamInternals, handle: Required<StreamHandle>, bytes: Buffer): number | WriteRequest<never> {
  if (known.givesRequest) return writtenFor(known, handle.writeBuffer(null, bytes));
  const request = spare ?? new known.WriteWrap();
  const result = handle.writeBuffer(request, bytes);
  if (result === 0 && known.streamBaseState[known.kLastWriteWasAsync] !== 0) {
    spare = undefined;
    return request;
  }
  spare = request;
  return result;
}

/** What came of a write for which the request is given. */
export function writtenFor(known: StreamInternals, result: number | WriteRequest<never>): number | WriteRequest<never> {
  if (typeof result === 'number') return result;
  const failure = known.streamBaseState[known.kLastWriteErr] as number;
  return failure === 0 ? (result.writeStatus ?? result) : failure;
}

function knownInternals(): StreamInternals | undefined {
  if (process.env['HAVEN_GATEWAY_WRITES'] === 'stream') return undefined;
  try {
    const binding = (process as unknown as { binding(name: string): Partial<StreamInternals> }).binding('stream_wrap');
    const { WriteWrap, streamBaseState, kLastWriteWasAsync = -1, kLastWriteErr = -1, kReadBytesOrError } = binding;
    const givesRequest = kLastWriteErr >= 0;
    if (typeof WriteWrap !== 'function' || streamBaseState === undefined || kReadBytesOrError === undefined) return undefined;
    if (!givesRequest && kLastWriteWasAsync < 0) return undefined;
    return { WriteWrap, givesRequest, streamBaseState, kLastWriteWasAsync, kLastWriteErr, kReadBytesOrError };
  } catch {
    return undefined;
  }
}
