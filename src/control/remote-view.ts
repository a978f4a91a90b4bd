import { toBytes } from '#base/bytes';
import { hasCode, PlatformError } from '#base/errors';
import { onAbort, unlessAborted } from '#base/signal';
import type { StoredItem, StoreView, ViewBatch, ViewWrite } from '#model/store-view';
import type { Address, NetworkResponse, World } from '#world/world';
import { errorFromBody, jsonLines, readJsonBody } from './wire-error.ts';

const CALL_TIMEOUT_MS = 10_000;
/** The server writes a sign of life every 5 s: two missed and a bit is a dead link, whatever TCP says. */
const SILENCE_MS = 12_000;
const MAX_LIST_BYTES = 64 * 2 ** 20;
const MAX_ANSWER_BYTES = 2 ** 20;
/** A revision holds at most MAX_OPERATIONS puts within MAX_REQUEST_BYTES, twice as long in JSON at worst. */
const MAX_LINE_BYTES = 8 * 2 ** 20;

/** Where the API is and who asks. */
export interface RemoteViewOptions {
  readonly address: Address;
  readonly token: string;
  /** Bound of one call, watch excepted; 10 s by default. */
  readonly timeoutMs?: number;
}

/**
 * The cluster's store seen over the API. Each call ends within its deadline: TIMEOUT. A watch that is silent for 12 s ends as UNAVAILABLE. Errors
 * of the server come back with their code.
 */
export class RemoteView implements StoreView {
  readonly #world: Pick<World, 'clock' | 'network'>;
  readonly #address: Address;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;

  constructor(world: Pick<World, 'clock' | 'network'>, options: RemoteViewOptions) {
    this.#world = world;
    this.#address = options.address;
    this.#timeoutMs = options.timeoutMs ?? CALL_TIMEOUT_MS;
    this.#headers = { authorization: `Bearer ${options.token}`, host: `${options.address.host}:${options.address.port}` };
  }

  async list(prefix: string, options: { readonly signal?: AbortSignal } = {}): Promise<{ readonly items: readonly StoredItem[]; readonly revision: number }> {
    const answer = await this.#call('GET', `/v1/store/list?prefix=${encodeURIComponent(prefix)}`, { ...options, maxBytes: MAX_LIST_BYTES });
    return answer as { readonly items: readonly StoredItem[]; readonly revision: number };
  }

  watch(prefix: string, options: { readonly fromRevision: number; readonly signal: AbortSignal }): AsyncIterable<ViewBatch> {
    // Asked for at once, as the contract of a view wants it; the answer waits for the reader.
    const link = new AbortController();
    const listening = onAbort(options.signal, (reason) => link.abort(reason));
    const path = `/v1/store/watch?prefix=${encodeURIComponent(prefix)}&from=${options.fromRevision}`;
    const request = { method: 'GET', path, headers: this.#headers };
    const response = this.#world.network.request(this.#address, request, { timeoutMs: this.#timeoutMs, signal: link.signal });
    response.catch(() => undefined);
    return this.#batches(response, { signal: options.signal, link, listening, path });
  }

  async write(writes: readonly ViewWrite[], options: { readonly signal?: AbortSignal } = {}): Promise<number> {
    const answer = (await this.#call('POST', '/v1/store/write', { ...options, body: { writes } })) as { readonly revision: number };
    return answer.revision;
  }

  async grantLease(durationMs: number, options: { readonly signal?: AbortSignal } = {}): Promise<string> {
    const answer = (await this.#call('POST', '/v1/store/leases', { ...options, body: { durationMs } })) as { readonly lease: string };
    return answer.lease;
  }

  async keepLease(lease: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.#call('POST', `/v1/store/leases/${encodeURIComponent(lease)}/keep`, options);
  }

  async revokeLease(lease: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.#call('DELETE', `/v1/store/leases/${encodeURIComponent(lease)}`, options);
  }

  async #call(method: string, path: string, options: { readonly body?: unknown; readonly signal?: AbortSignal; readonly maxBytes?: number }): Promise<unknown> {
    const call = new AbortController();
    const timeout = new PlatformError('TIMEOUT', `Cannot ${method} ${bare(path)} within ${this.#timeoutMs} ms`, { timeoutMs: this.#timeoutMs });
    using _timer = this.#world.clock.after(this.#timeoutMs, () => call.abort(timeout));
    using _listening = onAbort(options.signal, (reason) => call.abort(reason));
    const request = {
      method,
      path,
      headers: options.body === undefined ? this.#headers : { ...this.#headers, 'content-type': 'application/json' },
      ...(options.body === undefined ? {} : { body: toBytes(JSON.stringify(options.body)) }),
    };
    try {
      const response = await this.#world.network.request(this.#address, request, { timeoutMs: this.#timeoutMs, signal: call.signal });
      return await unlessAborted(readAnswer(response, { path, maxBytes: options.maxBytes ?? MAX_ANSWER_BYTES }), call.signal);
    } catch (error) {
      throw call.signal.reason === timeout ? timeout : error;
    }
  }

  async *#batches(
    coming: Promise<NetworkResponse>,
    options: { readonly signal: AbortSignal; readonly link: AbortController; readonly listening: Disposable; readonly path: string },
  ): AsyncGenerator<ViewBatch, void, undefined> {
    const { signal, link, path } = options;
    const silence = new PlatformError('UNAVAILABLE', `Cannot go on with ${bare(path)}, because nothing was heard for ${SILENCE_MS} ms`, {
      silenceMs: SILENCE_MS,
    });
    let timer: Disposable | undefined;
    const expect = () => {
      timer?.[Symbol.dispose]();
      timer = this.#world.clock.after(SILENCE_MS, () => link.abort(silence));
    };
    try {
      expect();
      const response = await coming;
      if (response.status !== 200) await readAnswer(response, { path, maxBytes: MAX_ANSWER_BYTES });
      for await (const line of jsonLines(heard(response.body, { signal: link.signal, onBytes: expect }), { maxLineBytes: MAX_LINE_BYTES })) {
        // A reader that takes its time over a batch must not count as silence of the server.
        timer?.[Symbol.dispose]();
        const failure = errorFromBody(line);
        if (failure) throw failure;
        if (isBatch(line)) yield line;
        expect();
      }
      if (!signal.aborted) throw new PlatformError('UNAVAILABLE', `Cannot go on with ${bare(path)}, because the server ended it`);
    } catch (error) {
      if (signal.aborted) return;
      throw link.signal.reason === silence ? silence : error;
    } finally {
      timer?.[Symbol.dispose]();
      options.listening[Symbol.dispose]();
      link.abort(new PlatformError('ABORTED', 'The watch has ended'));
    }
  }
}

async function* heard(
  body: AsyncIterable<Uint8Array>,
  options: { readonly signal: AbortSignal; readonly onBytes: () => void },
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = body[Symbol.asyncIterator]();
  try {
    while (true) {
      const step = await unlessAborted(iterator.next(), options.signal);
      if (step.done) return;
      options.onBytes();
      yield step.value;
    }
  } finally {
    // Not awaited: the source may be the very thing that hangs.
    iterator.return?.().catch(() => undefined);
  }
}

async function readAnswer(response: NetworkResponse, options: { readonly path: string; readonly maxBytes: number }): Promise<unknown> {
  const isOk = response.status >= 200 && response.status < 300;
  const value = await readJsonBody(response.body, { maxBytes: options.maxBytes }).catch((error: unknown) => {
    if (isOk || !hasCode(error, 'INVALID')) throw error;
    return undefined;
  });
  if (isOk) return value;
  throw (
    errorFromBody(value) ??
    new PlatformError('UNAVAILABLE', `Cannot use the answer of ${bare(options.path)}: status ${response.status}`, { status: response.status })
  );
}

function isBatch(line: unknown): line is ViewBatch {
  return typeof line === 'object' && line !== null && 'revision' in line && 'events' in line;
}

function bare(path: string): string {
  return path.split('?')[0] ?? path;
}
