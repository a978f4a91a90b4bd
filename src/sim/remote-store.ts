import { toBytes } from '#base/bytes';
import { hasCode, PlatformError } from '#base/errors';
import { onAbort } from '#base/signal';
import { withHeartbeats } from '#control/api/store-handler';
import { errorBody, errorFromBody, HTTP_STATUS, jsonLines, readJsonBody } from '#control/wire-error';
import type {
  KeyRange,
  KeyValue,
  LeaseId,
  LeaseStatus,
  ListResult,
  Revision,
  Store,
  StoreStatus,
  Transaction,
  TransactionResult,
  WatchBatch,
} from '#store/store';
import type { Address, NetworkResponse, ServedRequest, World } from '#world/world';

const callTimeoutMs = 3_000;
const silenceMs = 12_000;
const maxBytes = 64 * 2 ** 20;

type WatchOptions = { readonly fromRevision?: Revision; readonly previous?: boolean; readonly signal: AbortSignal };

/**
 * A store on another simulated host, seen through the simulated network: what a store of several members is for a fleet of controls. Only
 * for simulations, where a control must be able to be cut off from the store or paused while the store goes on.
 */
export class RemoteStore implements Store {
  readonly #world: Pick<World, 'clock' | 'network'>;
  readonly #address: Address;
  readonly #caller: string;

  constructor(world: Pick<World, 'clock' | 'network'>, options: { readonly address: Address; readonly caller: string }) {
    this.#world = world;
    this.#address = options.address;
    this.#caller = options.caller;
  }

  async get(key: string, options: { readonly revision?: Revision; readonly signal?: AbortSignal } = {}): Promise<KeyValue | undefined> {
    const { signal, ...rest } = options;
    return (await this.#call('get', [key, rest], signal)) as KeyValue | undefined;
  }

  async list(range: KeyRange, options: { readonly revision?: Revision; readonly limit?: number; readonly signal?: AbortSignal } = {}): Promise<ListResult> {
    const { signal, ...rest } = options;
    return (await this.#call('list', [range, rest], signal)) as ListResult;
  }

  async transact(transaction: Transaction, options: { readonly signal?: AbortSignal } = {}): Promise<TransactionResult> {
    return (await this.#call('transact', [transaction], options.signal)) as TransactionResult;
  }

  watch(range: KeyRange, options: WatchOptions): AsyncIterable<WatchBatch> {
    const link = new AbortController();
    const listening = onAbort(options.signal, (reason) => link.abort(reason));
    const { signal, ...rest } = options;
    const response = this.#request('watch', [range, rest], link.signal);
    response.catch(() => undefined);
    return this.#batches(response, { signal, link, listening });
  }

  async grantLease(durationMs: number): Promise<LeaseStatus> {
    return (await this.#call('grantLease', [durationMs])) as LeaseStatus;
  }

  async keepLease(id: LeaseId): Promise<LeaseStatus> {
    return (await this.#call('keepLease', [id])) as LeaseStatus;
  }

  async revokeLease(id: LeaseId): Promise<void> {
    await this.#call('revokeLease', [id]);
  }

  async leaseStatus(id: LeaseId): Promise<LeaseStatus | undefined> {
    return (await this.#call('leaseStatus', [id])) as LeaseStatus | undefined;
  }

  async compact(revision: Revision): Promise<void> {
    await this.#call('compact', [revision]);
  }

  async status(): Promise<StoreStatus> {
    return (await this.#call('status', [])) as StoreStatus;
  }

  async #request(method: string, parameters: readonly unknown[], signal?: AbortSignal): Promise<NetworkResponse> {
    const request = { method: 'POST', path: `/store/${method}`, headers: { 'x-caller': this.#caller }, body: toBytes(JSON.stringify(parameters)) };
    return await this.#world.network.request(this.#address, request, { timeoutMs: callTimeoutMs, ...(signal === undefined ? {} : { signal }) });
  }

  async #call(method: string, parameters: readonly unknown[], signal?: AbortSignal): Promise<unknown> {
    signal?.throwIfAborted();
    try {
      const response = await this.#request(method, parameters, signal);
      const body = await readJsonBody(response.body, { maxBytes });
      if (response.status === 200) return body;
      throw errorFromBody(body) ?? new PlatformError('UNAVAILABLE', `The store answered ${response.status}`);
    } catch (error) {
      signal?.throwIfAborted();
      // The port knows no TIMEOUT: nobody can say what became of the call.
      throw hasCode(error, 'TIMEOUT') ? new PlatformError('UNAVAILABLE', error.message, {}, { cause: error }) : error;
    }
  }

  async *#batches(
    coming: Promise<NetworkResponse>,
    options: { readonly signal: AbortSignal; readonly link: AbortController; readonly listening: Disposable },
  ): AsyncGenerator<WatchBatch, void, undefined> {
    const { signal, link } = options;
    let timer: Disposable | undefined;
    const expect = () => {
      timer?.[Symbol.dispose]();
      timer = this.#world.clock.after(silenceMs, () => link.abort(new PlatformError('UNAVAILABLE', 'The store is silent')));
    };
    try {
      const response = await coming;
      expect();
      for await (const line of jsonLines(response.body, { maxLineBytes: maxBytes })) {
        const failure = errorFromBody(line);
        if (failure) throw failure;
        expect();
        if (typeof line === 'object' && line !== null && 'revision' in line) yield line as WatchBatch;
      }
      if (!signal.aborted) throw new PlatformError('UNAVAILABLE', 'The store ended the watch');
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof PlatformError)) throw error;
      throw hasCode(error, 'TIMEOUT') || hasCode(error, 'ABORTED') ? new PlatformError('UNAVAILABLE', error.message, {}, { cause: error }) : error;
    } finally {
      timer?.[Symbol.dispose]();
      options.listening[Symbol.dispose]();
      link.abort(new PlatformError('ABORTED', 'The watch has ended'));
    }
  }
}

/** Answers what `RemoteStore` asks. `as` runs a call in the name of its caller, so that an observer can tell whose write it sees. */
export function storeServer(
  world: Pick<World, 'clock'>,
  store: Store,
  as: <Value>(caller: string, call: () => Value) => Value,
): (request: ServedRequest) => Promise<NetworkResponse> {
  return async (request) => {
    try {
      const method = request.path.slice('/store/'.length);
      const parameters = (await readJsonBody(request.body, { maxBytes })) as readonly unknown[];
      if (method === 'watch') return stream(world, store, parameters, request.signal);
      // JSON has no undefined: a call without a result answers with an empty body.
      const result = await as(request.headers['x-caller'] ?? '', () => dispatch(store, method, parameters));
      return answer(200, result);
    } catch (error) {
      const body = errorBody(error);
      return answer(HTTP_STATUS[body.error.code], body);
    }
  };
}

function dispatch(store: Store, method: string, parameters: readonly unknown[]): Promise<unknown> {
  const [first, second] = parameters as [never, never];
  switch (method) {
    case 'get':
      return store.get(first, second);
    case 'list':
      return store.list(first, second);
    case 'transact':
      return store.transact(first);
    case 'grantLease':
      return store.grantLease(first);
    case 'keepLease':
      return store.keepLease(first);
    case 'revokeLease':
      return store.revokeLease(first);
    case 'leaseStatus':
      return store.leaseStatus(first);
    case 'compact':
      return store.compact(first);
    case 'status':
      return store.status();
    default:
      throw new PlatformError('NOT_FOUND', `The store has no method "${method}"`);
  }
}

function stream(world: Pick<World, 'clock'>, store: Store, parameters: readonly unknown[], signal: AbortSignal): NetworkResponse {
  const [range, options] = parameters as [KeyRange, Omit<WatchOptions, 'signal'>];
  const batches = store.watch(range, { ...options, signal });
  return { status: 200, headers: {}, body: lines(world, batches) };
}

async function* lines(world: Pick<World, 'clock'>, batches: AsyncIterable<WatchBatch>): AsyncGenerator<Uint8Array> {
  try {
    yield toBytes('{"heartbeat":true}\n');
    for await (const batch of withHeartbeats(world, batches)) yield toBytes(`${JSON.stringify(batch ?? { heartbeat: true })}\n`);
  } catch (error) {
    yield toBytes(`${JSON.stringify(errorBody(error))}\n`);
  }
}

function answer(status: number, value: unknown): NetworkResponse {
  const bytes = value === undefined ? new Uint8Array() : toBytes(JSON.stringify(value));
  return { status, headers: {}, body: once(bytes) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}
