import { PlatformError } from '#base/errors';

/** How many chunks may be on their way or unread before the writer waits. */
const windowChunks = 64;

/** The reading end of a simulated body. Ends by `end`, by `fail`, or by the reader leaving its loop. */
export class ByteStream implements AsyncIterable<Uint8Array> {
  readonly #chunks: Uint8Array[] = [];
  #state: 'open' | 'ended' | 'failed' | 'left' = 'open';
  #error: unknown;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;
  #underWay = 0;
  readonly #onLeft: () => void;
  readonly #inWriter: (callback: () => void) => void;

  constructor(options: { readonly onLeft: () => void /** Runs a callback in the life of the writer. */; readonly inWriter: (callback: () => void) => void }) {
    this.#onLeft = options.onLeft;
    this.#inWriter = options.inWriter;
  }

  /** The writer counts a chunk when it sends it; `arrive` or the end of the connection takes it off. */
  depart(): void {
    this.#underWay++;
  }

  arrive(chunk: Uint8Array): void {
    this.#underWay--;
    if (this.#state === 'open') this.#chunks.push(chunk);
    this.#wakeReader?.();
  }

  end(): void {
    this.#finish('ended');
  }

  fail(error: unknown): void {
    this.#error = error;
    this.#finish('failed');
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Resolves when the writer may go on. */
  async room(): Promise<void> {
    while (this.#state === 'open' && this.#underWay + this.#chunks.length >= windowChunks) {
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      while (true) {
        while (this.#chunks.length > 0) {
          const chunk = this.#chunks.shift() as Uint8Array;
          this.#letWriterGoOn();
          yield chunk;
        }
        if (this.#state !== 'open') break;
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
      }
      if (this.#state === 'failed') throw this.#error ?? new PlatformError('UNAVAILABLE', 'The connection broke');
    } finally {
      if (this.#state === 'open') {
        this.#finish('left');
        this.#onLeft();
      }
    }
  }

  #finish(state: 'ended' | 'failed' | 'left'): void {
    if (this.#state !== 'open') return;
    this.#state = state;
    this.#wakeReader?.();
    this.#letWriterGoOn();
  }

  #letWriterGoOn(): void {
    const wake = this.#wakeWriter;
    if (!wake) return;
    this.#wakeWriter = undefined;
    this.#inWriter(wake);
  }
}
