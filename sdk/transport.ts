import { errorOf, HavenError } from './haven-error.ts';

const DEFAULT_TIMEOUT_MS = 15_000;
/** The cluster sends a sign of life every 5 s: two missed and a bit is a dead link, whatever TCP says. */
const SILENCE_MS = 12_000;
const MAX_LINE_CHARACTERS = 16 * 2 ** 20;

/** Every call takes a signal; without one it ends by its own deadline. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Bound of the whole call; 15 s unless told. Streams have none: they end when they are silent. */
  readonly timeoutMs?: number;
}

/** One request. */
export interface TransportRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is. */
  readonly bytes?: Uint8Array | AsyncIterable<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Requests to one cluster by `fetch`. */
export class Transport {
  readonly #base: string;
  readonly #token: string;

  constructor(options: { readonly address: string; readonly token: string }) {
    this.#base = options.address.replace(/\/+$/, '');
    this.#token = options.token;
  }

  /** The JSON answer. Throws HavenError: the cluster's own, TIMEOUT, ABORTED, or UNAVAILABLE if nobody answers. */
  async call<Value>(request: TransportRequest, options: CallOptions = {}): Promise<Value> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
    const link = new Link(signal);
    link.expect(timeoutMs, `no answer came within ${timeoutMs} ms`, 'TIMEOUT');
    try {
      const response = await this.#fetch(request, link.signal);
      const text = await response.text();
      if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as Value;
      throw failureOf(request, { status: response.status, text });
    } catch (error) {
      throw link.explain(error, request);
    } finally {
      link.close();
    }
  }

  /** The lines of a stream as they come. Throws UNAVAILABLE when it is silent for 12 s. Ends quietly when the signal aborts. */
  async *lines<Line>(request: TransportRequest, options: Omit<CallOptions, 'timeoutMs'> = {}): AsyncGenerator<Line, void, undefined> {
    const link = new Link(options.signal);
    try {
      link.expect(SILENCE_MS, `nothing was heard for ${SILENCE_MS} ms`, 'UNAVAILABLE');
      const response = await this.#fetch(request, link.signal);
      if (!response.ok) throw failureOf(request, { status: response.status, text: await response.text() });
      for await (const line of linesOf(response, () => link.expect(SILENCE_MS, `nothing was heard for ${SILENCE_MS} ms`, 'UNAVAILABLE'))) {
        const value: unknown = JSON.parse(line);
        const failure = errorOf(value);
        if (failure) throw failure;
        // A reader that takes its time must not count as silence of the cluster.
        link.rest();
        yield value as Line;
      }
    } catch (error) {
      if (options.signal?.aborted) return;
      throw link.explain(error, request);
    } finally {
      link.close();
    }
  }

  async #fetch({ method, path, body, bytes, headers }: TransportRequest, signal: AbortSignal): Promise<Response> {
    return await fetch(`${this.#base}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(bytes === undefined ? {} : bodyOf(bytes)),
    });
  }
}

/** What can end a call besides its answer: the caller's signal, and a time after which it counts as dead. */
class Link {
  readonly #controller = new AbortController();
  readonly #callers: AbortSignal | undefined;
  readonly #onAbort = () => this.#controller.abort();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #end: HavenError | undefined;

  constructor(callers: AbortSignal | undefined) {
    this.#callers = callers;
    if (callers?.aborted) this.#controller.abort();
    callers?.addEventListener('abort', this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Ends the call after so long unless it is called again. */
  expect(waitMs: number, why: string, code: 'TIMEOUT' | 'UNAVAILABLE'): void {
    this.rest();
    this.#timer = setTimeout(() => {
      this.#end = new HavenError({ code, message: `Cannot go on, because ${why}`, details: { waitMs } });
      this.#controller.abort();
    }, waitMs);
  }

  rest(): void {
    clearTimeout(this.#timer);
  }

  /** The error to tell the caller. */
  explain(error: unknown, request: TransportRequest): unknown {
    if (this.#end) return this.#end;
    if (this.#callers?.aborted)
      return new HavenError({ code: 'ABORTED', message: `${request.method} ${bare(request.path)} was given up` }, { cause: this.#callers.reason });
    if (error instanceof HavenError) return error;
    const reason = error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : String(error);
    const next = 'start Haven with "haven up", or look at it with "haven doctor"';
    return new HavenError(
      { code: 'UNAVAILABLE', message: `Cannot ${request.method} ${bare(request.path)}, because the cluster does not answer: ${reason}`, next },
      { cause: error },
    );
  }

  close(): void {
    this.rest();
    this.#callers?.removeEventListener('abort', this.#onAbort);
    // Whoever leaves a stream early ends the request, too.
    this.#controller.abort();
  }
}

async function* linesOf(response: Response, onBytes: () => void): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body ?? []) {
    onBytes();
    const parts = (rest + decoder.decode(chunk as Uint8Array<ArrayBuffer>, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    if (rest.length > MAX_LINE_CHARACTERS)
      throw new HavenError({ code: 'TOO_LARGE', message: `Cannot read a line of more than ${MAX_LINE_CHARACTERS} characters` });
    for (const part of parts) {
      if (part === '') continue;
      yield part;
      onBytes();
    }
  }
  if (rest !== '') throw new HavenError({ code: 'UNAVAILABLE', message: 'Cannot read the rest of a stream, because it ended in the middle of a line' });
}

function failureOf(request: TransportRequest, answer: { readonly status: number; readonly text: string }): HavenError {
  const known = answer.text.startsWith('{') ? errorOf(parsed(answer.text)) : undefined;
  if (known) return known;
  const code = answer.status === 404 ? 'NOT_FOUND' : 'UNAVAILABLE';
  return new HavenError({
    code,
    message: `Cannot ${request.method} ${bare(request.path)}: the answer has status ${answer.status}`,
    details: { status: answer.status },
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A stream as a body is "half duplex" in the words of the Fetch standard: all of it is sent before the answer is read. */
function bodyOf(bytes: Uint8Array | AsyncIterable<Uint8Array>): RequestInit {
  if (bytes instanceof Uint8Array) return { body: new Uint8Array(bytes) };
  const iterator = bytes[Symbol.asyncIterator]();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
  return { body: stream, duplex: 'half' } as RequestInit;
}

function bare(path: string): string {
  return path.split('?')[0] ?? path;
}
