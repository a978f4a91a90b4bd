import type { ClientRequest, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf, PlatformError } from '#base/errors';
import { formatAddress } from '#base/host-port';
import { onAbort } from '#base/signal';
import type { Address, Log, Network, NetworkRequest, NetworkResponse, NetworkServer, ServedRequest } from '../world.ts';
import { attemptTcp } from './tcp-attempt.ts';

// An import would read every export of the module, and with one of them, WebSocket, load a whole HTTP client that nobody uses: 3 MB and 20 ms for each program and thread.
const { Agent, createServer, request: httpRequest } = process.getBuiltinModule('node:http');

/** Connections to one address at once; streams hold theirs. Further requests wait, within their own timeout. */
const maxConnectionsPerAddress = 512;
const maxIdleConnectionsPerAddress = 32;
const maxHeaderBytes = 16_384;
const headTimeoutMs = 10_000;
/** A client must have sent its whole request by then. */
const requestTimeoutMs = 300_000;
const idleTimeoutMs = 60_000;
const maxServedConnections = 4_096;
/** How long requests in flight may go on when their server is disposed. */
const disposeGraceMs = 100;

type RequestOptions = { readonly timeoutMs: number; readonly signal?: AbortSignal };

/** HTTP/1.1 with kept-alive connections. */
export class NodeNetwork implements Network {
  readonly #log: Log;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: maxConnectionsPerAddress, maxFreeSockets: maxIdleConnectionsPerAddress, scheduling: 'lifo' });

  constructor(log: Log) {
    this.#log = log;
  }

  async request(address: Address, request: NetworkRequest, options: RequestOptions): Promise<NetworkResponse> {
    const first = await this.#attempt(address, request, options);
    if ('head' in first) return first.head;
    // The server closed a kept connection in the moment we took it: nothing was answered, and a read may be repeated.
    const isRepeatable = first.wasReused && (request.method === 'GET' || request.method === 'HEAD');
    const second = isRepeatable ? await this.#attempt(address, request, options) : first;
    if ('head' in second) return second.head;
    throw second.error;
  }

  async #attempt(address: Address, request: NetworkRequest, options: RequestOptions): Promise<Attempt> {
    const target = `${request.method} ${formatAddress(address)}${request.path.split('?')[0]}`;
    const facts = { host: address.host, port: address.port, method: request.method };
    if (options.signal?.aborted) throw abortedError(target, options.signal);
    const outcome = Promise.withResolvers<Attempt>();
    const outgoing = httpRequest({
      host: address.host,
      port: address.port,
      method: request.method,
      path: request.path,
      headers: { ...request.headers },
      agent: this.#agent,
    });
    const timer = setTimeout(() => {
      outgoing.destroy(
        new PlatformError('TIMEOUT', `Cannot ${target}, because no answer came within ${options.timeoutMs} ms`, { ...facts, timeoutMs: options.timeoutMs }),
      );
    }, options.timeoutMs);
    const aborting = onAbort(options.signal, () => outgoing.destroy(abortedError(target, options.signal)));
    const toError = (error: unknown): PlatformError => {
      if (error instanceof PlatformError) return error;
      const systemCode = (error as NodeJS.ErrnoException).code;
      return new PlatformError(
        'UNAVAILABLE',
        `Cannot ${target}, because the connection failed: ${messageOf(error)}`,
        { ...facts, systemCode },
        { cause: error },
      );
    };
    outgoing.on('error', (error: unknown) => {
      clearTimeout(timer);
      aborting[Symbol.dispose]();
      const failure = toError(error);
      outcome.resolve({ error: failure, wasReused: outgoing.reusedSocket && failure.code === 'UNAVAILABLE' });
    });
    outgoing.on('response', (incoming) => {
      clearTimeout(timer);
      incoming.once('close', () => aborting[Symbol.dispose]());
      outcome.resolve({
        head: { status: incoming.statusCode ?? 0, headers: flatHeaders(incoming), body: readBody(incoming, toError, options.signal, target) },
      });
    });
    sendBody(outgoing, request.body);
    return await outcome.promise;
  }

  async serve(address: Address, handler: (request: ServedRequest) => Promise<NetworkResponse>, listener?: object): Promise<NetworkServer> {
    const server = createServer(
      { maxHeaderSize: maxHeaderBytes, headersTimeout: headTimeoutMs, requestTimeout: requestTimeoutMs, keepAliveTimeout: idleTimeoutMs, noDelay: true },
      (incoming, outgoing) => void answer(incoming, outgoing, handler, this.#log),
    );
    server.maxConnections = maxServedConnections;
    const listening = Promise.withResolvers<void>();
    server.once('error', (error: NodeJS.ErrnoException) => listening.reject(listenError(address, error)));
    server.listen(listener ?? { host: address.host, port: address.port }, listening.resolve);
    await listening.promise;
    server.on('error', (error) => this.#log.write('error', 'A server failed', { host: address.host, port: address.port, error: messageOf(error) }));
    const { port } = server.address() as AddressInfo;
    return { address: { host: address.host, port }, [Symbol.asyncDispose]: () => close(server) };
  }

  async probe(address: Address, options: RequestOptions): Promise<void> {
    const target = `connect to ${formatAddress(address)}`;
    if (options.signal?.aborted) throw abortedError(target, options.signal);
    const attempt = attemptTcp(address);
    const accepted = attempt.accepted.catch((error: unknown) => {
      throw new PlatformError('UNAVAILABLE', `Cannot ${target}: ${messageOf(error)}`, { ...address }, { cause: error });
    });
    if (attempt.isOver) return await accepted;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new PlatformError('TIMEOUT', `Cannot ${target} within ${options.timeoutMs} ms`, { ...address, timeoutMs: options.timeoutMs }));
    }, options.timeoutMs);
    using _aborting = onAbort(options.signal, () => late.reject(abortedError(target, options.signal)));
    try {
      await Promise.race([accepted, late.promise]);
    } finally {
      clearTimeout(timer);
      attempt.close();
    }
  }
}

type Attempt = { readonly head: NetworkResponse } | { readonly error: PlatformError; readonly wasReused: boolean };

function abortedError(target: string, signal: AbortSignal | undefined): PlatformError {
  return new PlatformError('ABORTED', `Cannot ${target}, because the caller gave up`, {}, { cause: signal?.reason });
}

function listenError(address: Address, error: NodeJS.ErrnoException): PlatformError {
  const where = formatAddress(address);
  if (error.code === 'EADDRINUSE') {
    return new PlatformError('LOCKED', `Cannot listen on ${where}, because another process has the port`, { ...address }, { cause: error });
  }
  if (error.code === 'EACCES') {
    return new PlatformError('DENIED', `Cannot listen on ${where}, because this user may not take the port`, { ...address }, { cause: error });
  }
  return new PlatformError('UNAVAILABLE', `Cannot listen on ${where}: ${error.message}`, { ...address }, { cause: error });
}

function sendBody(outgoing: ClientRequest, body: NetworkRequest['body']): void {
  if (!body || body instanceof Uint8Array) {
    outgoing.end(body);
    return;
  }
  pump(body, outgoing).catch((error: unknown) => outgoing.destroy(error instanceof Error ? error : new Error(messageOf(error))));
}

/** Writes all of `source` with backpressure and ends `sink`; leaves early, closing the source, when the sink closes. */
async function pump(source: AsyncIterable<Uint8Array>, sink: ServerResponse | ClientRequest): Promise<void> {
  // One waker instead of racing a promise of the whole stream: each race would leave a reaction on it until the stream ends.
  let wake: (() => void) | undefined;
  const onWake = () => wake?.();
  sink.on('close', onWake).on('drain', onWake);
  const iterator = source[Symbol.asyncIterator]();
  try {
    while (true) {
      const next = iterator.next();
      const step = await new Promise<IteratorResult<Uint8Array> | 'closed'>((resolve, reject) => {
        wake = () => sink.destroyed && resolve('closed');
        wake();
        next.then(resolve, reject);
      });
      if (step === 'closed') {
        await abandon(iterator, next);
        return;
      }
      if (step.done) break;
      if (sink.write(step.value)) continue;
      await new Promise<void>((resolve) => {
        wake = () => (sink.destroyed || !sink.writableNeedDrain) && resolve();
        wake();
      });
    }
    sink.end();
  } finally {
    sink.off('close', onWake).off('drain', onWake);
  }
}

/** Ends an iteration nobody reads any more. Its source is told, and what it says in its last step is of no use to anybody. */
async function abandon(iterator: AsyncIterator<Uint8Array>, pending: Promise<unknown>): Promise<void> {
  await Promise.allSettled([pending, iterator.return?.()]);
}

async function* readBody(
  incoming: IncomingMessage,
  toError: (error: unknown) => PlatformError,
  signal: AbortSignal | undefined,
  target: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of incoming) yield chunk as Uint8Array;
  } catch (error) {
    throw signal?.aborted ? abortedError(target, signal) : toError(error);
  }
}

async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  handler: (request: ServedRequest) => Promise<NetworkResponse>,
  log: Log,
): Promise<void> {
  const gone = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort(new PlatformError('ABORTED', 'The client has gone'));
  });
  incoming.on('error', () => gone.abort(new PlatformError('ABORTED', 'The client has gone')));
  try {
    const response = await handler({
      method: incoming.method ?? 'GET',
      path: incoming.url ?? '/',
      headers: flatHeaders(incoming),
      body: incoming,
      signal: gone.signal,
    });
    outgoing.writeHead(response.status, { ...response.headers });
    // The head goes out at once, so that the client of a stream knows it was accepted before the first item.
    outgoing.flushHeaders();
    await pump(response.body, outgoing);
  } catch (error) {
    if (!gone.signal.aborted) log.write('error', 'A request failed', { method: incoming.method, path: incoming.url?.split('?')[0], error: messageOf(error) });
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(500, { 'content-length': '0', connection: 'close' }).end();
  }
}

function flatHeaders(incoming: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

async function close(server: Server): Promise<void> {
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), disposeGraceMs);
  await closed.promise;
  clearTimeout(timer);
}
