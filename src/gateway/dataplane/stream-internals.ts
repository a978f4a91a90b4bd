/**
 * The parts of Node's stream handles that a wire uses directly where they are as known here: reads and writes then skip the stream machinery, a tenth of a request's
 * cost. They are not documented, so every use has a fallback.
 */
export interface StreamHandle {
  writeBuffer?(request: object, bytes: Buffer): number;
  useUserBuffer?(buffer: Buffer): void;
  readStart?(): number;
  readStop?(): number;
  onread?: (this: StreamHandle, bytes: ArrayBuffer | undefined) => Buffer | undefined;
  readonly writeQueueSize?: number;
  /** Whose handle it is: one function serves the reads of all. */
  wire?: unknown;
}

export interface WriteRequest<Owner> {
  owner: Owner | undefined;
  bytes: Buffer | undefined;
  oncomplete: (status: number) => void;
}

interface StreamInternals {
  readonly WriteWrap: new () => WriteRequest<never>;
  readonly streamBaseState: Int32Array;
  readonly kLastWriteWasAsync: number;
  readonly kReadBytesOrError: number;
}

/** `undefined`: use the public streams. */
export const internals = knownInternals();

/** The handle of a socket, whatever it has of what is known here. */
export function handleOf(socket: object): StreamHandle | null {
  return (socket as { readonly _handle: StreamHandle | null })._handle;
}

function knownInternals(): StreamInternals | undefined {
  if (process.env['HAVEN_GATEWAY_WRITES'] === 'stream') return undefined;
  try {
    const binding = (process as unknown as { binding(name: string): Partial<StreamInternals> }).binding('stream_wrap');
    const { WriteWrap, streamBaseState, kLastWriteWasAsync, kReadBytesOrError } = binding;
    if (typeof WriteWrap !== 'function' || streamBaseState === undefined || kLastWriteWasAsync === undefined || kReadBytesOrError === undefined)
      return undefined;
    // Later versions of Node return the request instead of taking it; there the stream is used.
    return 'kLastWriteErr' in binding ? undefined : { WriteWrap, streamBaseState, kLastWriteWasAsync, kReadBytesOrError };
  } catch {
    return undefined;
  }
}
