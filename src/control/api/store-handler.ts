import { toBytes } from '#base/bytes';
import { messageOf, PlatformError } from '#base/errors';
import { onAbort } from '#base/signal';
import type { StoreView, ViewBatch, ViewWrite } from '#model/store-view';
import { MAX_OPERATIONS, MAX_REQUEST_BYTES, type Store } from '#store/store';
import type { NetworkResponse, ServedRequest, World } from '#world/world';
import { errorBody, HTTP_STATUS, readJsonBody } from '../wire-error.ts';
import { checkRead, checkWrites, type Principal } from './access.ts';

const HEARTBEAT_MS = 5_000;
/** JSON may write a byte as two, rarely more. */
const MAX_BODY_BYTES = 2 * MAX_REQUEST_BYTES;
const MIN_LEASE_MS = 500;
const MAX_LEASE_MS = 3_600_000;
const MAX_KEY_LENGTH = 1_024;
const MAX_WATCHERS = 4_096;

/** Serves the store to agents, gateways and clients, as `RemoteView` asks for it: in the API, and in a simulation without one. */
export class StoreHandler {
  readonly #world: Pick<World, 'clock' | 'log'>;
  readonly #store: Pick<Store, 'get'>;
  readonly #view: StoreView;
  readonly #authenticate: (headers: Readonly<Record<string, string>>) => Principal;
  #watchers = 0;

  constructor(
    world: Pick<World, 'clock' | 'log'>,
    options: {
      readonly store: Pick<Store, 'get'>;
      readonly view: StoreView;
      /** Throws UNAUTHENTICATED. */
      readonly authenticate: (headers: Readonly<Record<string, string>>) => Principal;
    },
  ) {
    this.#world = world;
    this.#store = options.store;
    this.#view = options.view;
    this.#authenticate = options.authenticate;
  }

  /** How many watches are open now. */
  get watchers(): number {
    return this.#watchers;
  }

  /** The answer to a request below `/v1/store/`, an error included. */
  async serveStore(request: ServedRequest): Promise<NetworkResponse> {
    try {
      return await this.#serve(request, this.#authenticate(request.headers));
    } catch (error) {
      if (!(error instanceof PlatformError)) this.#world.log.write('error', 'A request for the store failed', { cause: messageOf(error) });
      const body = errorBody(error);
      return json(HTTP_STATUS[body.error.code], body);
    }
  }

  async #serve(request: ServedRequest, principal: Principal): Promise<NetworkResponse> {
    const { signal } = request;
    const [path = '', query = ''] = request.path.split('?', 2);
    const [area, lease, verb, ...rest] = path.slice('/v1/store/'.length).split('/');
    const parameters = queryOf(query);
    const route = rest.length > 0 ? undefined : `${request.method} ${[area, lease && '*', verb].filter((part) => part !== undefined).join('/')}`;
    if (principal.kind === 'agent-api') throw new PlatformError('DENIED', 'Cannot use the store with a token that is for agents');
    switch (route) {
      case 'GET list': {
        const prefix = prefixOf(parameters);
        checkRead(prefix);
        return json(200, await this.#view.list(prefix, { signal }));
      }
      case 'GET watch': {
        const prefix = prefixOf(parameters);
        checkRead(prefix);
        return this.#watch(prefix, { fromRevision: revisionOf(parameters), signal });
      }
      case 'POST write': {
        const writes = parseWrites(await readJsonBody(request.body, { maxBytes: MAX_BODY_BYTES }));
        await checkWrites(this.#store, principal, writes);
        // Not bound to the caller: a write that was begun is finished, whoever listens.
        return json(200, { revision: await this.#view.write(writes) });
      }
      case 'POST leases':
        return json(200, { lease: await this.#view.grantLease(parseDuration(await readJsonBody(request.body, { maxBytes: 1_024 }))) });
      case 'POST leases/*/keep':
        await this.#view.keepLease(decodeURIComponent(lease ?? ''));
        return json(200, {});
      case 'DELETE leases/*':
        await this.#view.revokeLease(decodeURIComponent(lease ?? ''));
        return json(200, {});
      default:
        throw new PlatformError('NOT_FOUND', `Cannot ${request.method} ${path}, because the API has no such path`);
    }
  }

  #watch(prefix: string, options: { readonly fromRevision: number; readonly signal: AbortSignal }): NetworkResponse {
    if (this.#watchers >= MAX_WATCHERS)
      throw new PlatformError('LIMIT', `Cannot open another watch, because ${MAX_WATCHERS} are open`, { limit: MAX_WATCHERS });
    const ended = new AbortController();
    const listening = onAbort(options.signal, (reason) => ended.abort(reason));
    // Registered before the head of the answer goes out: who has the answer misses nothing.
    const batches = this.#view.watch(prefix, { fromRevision: options.fromRevision, signal: ended.signal });
    this.#watchers += 1;
    const close = () => {
      this.#watchers -= 1;
      listening[Symbol.dispose]();
      ended.abort(new PlatformError('ABORTED', 'The watch has ended'));
    };
    return { status: 200, headers: { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' }, body: this.#lines(batches, close) };
  }

  async *#lines(batches: AsyncIterable<ViewBatch>, close: () => void): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      // The first line at once: it makes every server send the head.
      yield toLine({ heartbeat: true });
      for await (const batch of withHeartbeats(this.#world, batches)) yield toLine(batch ?? { heartbeat: true });
    } catch (error) {
      yield toLine(errorBody(error));
    } finally {
      close();
    }
  }
}

/** The items as they come, and `undefined` after every 5 s in which none came. */
export async function* withHeartbeats<Item>(world: Pick<World, 'clock'>, items: AsyncIterable<Item>): AsyncGenerator<Item | undefined, void, undefined> {
  const iterator = items[Symbol.asyncIterator]();
  type Outcome = { readonly step: IteratorResult<Item, unknown> } | { readonly error: unknown };
  let outcome: Outcome | undefined;
  // One waker, not a race: each race would leave a reaction on the pending item, and an idle watch waits for days.
  let wake: (() => void) | undefined;
  const arrive = (arrived: Outcome) => {
    outcome = arrived;
    wake?.();
  };
  const ask = () => {
    outcome = undefined;
    iterator.next().then(
      (step) => arrive({ step }),
      (error: unknown) => arrive({ error }),
    );
  };
  const wait = async (): Promise<Outcome | undefined> => {
    if (outcome) return outcome;
    const bell = Promise.withResolvers<void>();
    wake = bell.resolve;
    using _timer = world.clock.after(HEARTBEAT_MS, bell.resolve);
    await bell.promise;
    return outcome;
  };
  try {
    ask();
    while (true) {
      const arrived = await wait();
      if (arrived === undefined) {
        yield undefined;
        continue;
      }
      if ('error' in arrived) throw arrived.error;
      if (arrived.step.done) return;
      yield arrived.step.value;
      ask();
    }
  } finally {
    iterator.return?.().catch(() => undefined);
  }
}

function toLine(value: unknown): Uint8Array {
  return toBytes(`${JSON.stringify(value)}\n`);
}

function json(status: number, value: unknown): NetworkResponse {
  const bytes = toBytes(JSON.stringify(value));
  return { status, headers: { 'content-type': 'application/json', 'content-length': String(bytes.length) }, body: once(bytes) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

/** Own and small, because the layer has no URLSearchParams: name=value pairs, percent-encoded. */
function queryOf(query: string): ReadonlyMap<string, string> {
  const pairs = query.split('&').filter((pair) => pair !== '');
  return new Map(pairs.map((pair) => [pair.split('=', 1)[0] ?? '', decode(pair.slice(pair.indexOf('=') + 1))]));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new PlatformError('INVALID', 'Cannot read the query, because its percent-encoding is broken');
  }
}

function prefixOf(parameters: ReadonlyMap<string, string>): string {
  const prefix = parameters.get('prefix') ?? '';
  if (prefix.length <= MAX_KEY_LENGTH) return prefix;
  throw new PlatformError('INVALID', `Cannot use a prefix of more than ${MAX_KEY_LENGTH} characters`);
}

function revisionOf(parameters: ReadonlyMap<string, string>): number {
  const from = Number(parameters.get('from') ?? Number.NaN);
  if (Number.isSafeInteger(from) && from >= 1) return from;
  throw new PlatformError('INVALID', 'Cannot watch without "from", the first revision wanted, a whole number from 1');
}

function parseDuration(body: unknown): number {
  const durationMs = isRecord(body) ? body['durationMs'] : undefined;
  if (typeof durationMs === 'number' && Number.isFinite(durationMs) && durationMs >= MIN_LEASE_MS && durationMs <= MAX_LEASE_MS) return durationMs;
  throw new PlatformError('INVALID', `Cannot grant a lease without "durationMs" from ${MIN_LEASE_MS} to ${MAX_LEASE_MS}`);
}

function parseWrites(body: unknown): readonly ViewWrite[] {
  const writes = isRecord(body) ? body['writes'] : undefined;
  if (!Array.isArray(writes) || writes.length === 0 || writes.length > MAX_OPERATIONS) {
    throw new PlatformError('INVALID', `Cannot write without "writes", a list of 1 to ${MAX_OPERATIONS}`);
  }
  return writes.map(parseWrite);
}

function parseWrite(write: unknown): ViewWrite {
  if (isRecord(write)) {
    const { kind, key, value, expected, lease } = write;
    const isKey = typeof key === 'string' && key.length > 0 && key.length <= MAX_KEY_LENGTH;
    const isExpected = expected === undefined || (Number.isSafeInteger(expected) && (expected as number) >= 0);
    const compared = expected === undefined ? {} : { expected: expected as number };
    if (isKey && isExpected && kind === 'delete') return { kind, key, ...compared };
    if (isKey && isExpected && kind === 'put' && typeof value === 'string' && (lease === undefined || typeof lease === 'string')) {
      return { kind, key, value, ...compared, ...(lease === undefined ? {} : { lease }) };
    }
  }
  throw new PlatformError('INVALID', 'Cannot write, because a write is { kind: "put", key, value, expected?, lease? } or { kind: "delete", key, expected? }');
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
