import { join } from 'node:path';
import { Readable } from 'node:stream';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { toBytes } from '#base/bytes';
import { messageOf, PlatformError } from '#base/errors';
import { onAbort } from '#base/signal';
import type { Release } from '#model/app';
import { PREFIX } from '#model/keys';
import type { StoreView } from '#model/store-view';
import type { Store } from '#store/store';
import type { Address, NetworkServer, World } from '#world/world';
import { errorBody, HTTP_STATUS } from '../wire-error.ts';
import type { Principal } from './access.ts';
import { APP_ENDPOINTS } from './app-endpoints.ts';
import { Artifacts } from './artifacts.ts';
import { CLUSTER_ENDPOINTS } from './cluster-endpoints.ts';
import { readPrefix } from './cluster-state.ts';
import { type Answer, type ApiParts, type Endpoint, Parameters } from './endpoint.ts';
import { FILE_ENDPOINTS } from './file-endpoints.ts';
import { checkOrigin, checkRole, isLoopback } from './guard.ts';
import { ApiMetrics } from './metrics.ts';
import { openApi } from './open-api.ts';
import { StoreHandler, withHeartbeats } from './store-handler.ts';
import { authenticate, openClusterKey } from './tokens.ts';

const MAX_BODY_BYTES = 2 ** 20;
const HEAD_TIMEOUT_MS = 10_000;
/** An upload over a slow line takes its time. */
const REQUEST_TIMEOUT_MS = 600_000;
const IDLE_TIMEOUT_MS = 60_000;
const MAX_CONNECTIONS = 4_096;
/** How long requests in flight may go on when the server is disposed. */
const CLOSE_GRACE_MS = 500;
/** How often files that no release names are looked for. */
const SWEEP_MS = 600_000;

/** Every row of the API but those of the store, which `StoreHandler` serves. */
export const ENDPOINTS: readonly Endpoint[] = [...CLUSTER_ENDPOINTS, ...APP_ENDPOINTS, ...FILE_ENDPOINTS];

export interface ApiOptions {
  readonly world: World;
  readonly store: Store;
  /** The same store as agents and gateways see it. */
  readonly view: StoreView;
  /** The cluster's folder: `cluster.key` and `artifacts/` are in it. */
  readonly directory: string;
  /** Loopback only; port 0 takes a free one. */
  readonly address: Address;
  readonly options: { readonly version: string };
  /** Ends all streams; the server itself ends when it is disposed. */
  readonly signal: AbortSignal;
}

/** Serves the API until disposed. UNSUPPORTED for an address others could reach, LOCKED if the port is in use. */
export async function startApi({ world, store, view, directory, address, options, signal }: ApiOptions): Promise<NetworkServer> {
  if (!isLoopback(address.host)) {
    throw new PlatformError('UNSUPPORTED', `Cannot serve the API at ${address.host}, because without TLS it is for this machine only`, {
      next: 'use 127.0.0.1',
    });
  }
  await world.disk.makeDirectory(directory);
  const key = await openClusterKey(world, join(directory, 'cluster.key'));
  const artifacts = new Artifacts(world, join(directory, 'artifacts'));
  await artifacts.open();
  const parts: ApiParts = { world, store, view, key, artifacts, version: options.version, startedAt: world.clock.wall() };
  const api = new ApiServer(parts, signal);
  return await api.listen(address);
}

/** Deletes the files of releases that are no more, again and again until the signal aborts. */
async function sweepArtifacts({ world, store, artifacts }: ApiParts, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const releases = await readPrefix<Release>(store, PREFIX.releases);
      const swept = await artifacts.sweep(new Set(releases.flatMap(({ value }) => value.artifact ?? [])));
      if (swept > 0) world.log.write('info', 'Artifacts that no release names were deleted', { count: swept });
    } catch (error) {
      if (!signal.aborted) world.log.write('warn', 'Artifacts could not be swept', { cause: messageOf(error) });
    }
    await world.clock.sleep(SWEEP_MS, signal).catch(() => undefined);
  }
}

/** Requests on their way from the socket to a row of the API and back. */
class ApiServer {
  readonly #parts: ApiParts;
  readonly #ending = new AbortController();
  readonly #listening: Disposable;
  readonly #metrics = new ApiMetrics();
  readonly #storeHandler: StoreHandler;
  readonly #server: FastifyInstance;
  #address: Address = { host: '', port: 0 };
  #sweeping: Promise<void> = Promise.resolve();

  constructor(parts: ApiParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#listening = onAbort(signal, (reason) => this.#ending.abort(reason));
    const { world, store, view, key } = parts;
    this.#storeHandler = new StoreHandler(world, { store, view, authenticate: (headers) => authenticate(key, headers) });
    this.#server = Fastify({
      logger: false,
      bodyLimit: MAX_BODY_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      // Longer names than this are none of ours; answered as NOT_FOUND instead of by an empty 404.
      routerOptions: { maxParamLength: 200 },
      forceCloseConnections: 'idle',
      genReqId: () => Buffer.from(world.random.bytes(6)).toString('hex'),
      http: { headersTimeout: HEAD_TIMEOUT_MS, maxHeaderSize: 16_384 },
    });
    this.#server.server.maxConnections = MAX_CONNECTIONS;
    this.#addHooks();
    this.#addRoutes();
  }

  async listen(address: Address): Promise<NetworkServer> {
    try {
      await this.#server.listen({ host: address.host, port: address.port });
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
      const why = isTaken ? 'another process has the port; stop it, or set HAVEN_PORT_BASE to another number' : messageOf(error);
      throw new PlatformError(
        isTaken ? 'LOCKED' : 'UNAVAILABLE',
        `Cannot serve the API at ${address.host}:${address.port}, because ${why}`,
        { ...address },
        { cause: error },
      );
    }
    const bound = this.#server.server.address();
    this.#address = { host: address.host, port: typeof bound === 'object' && bound ? bound.port : address.port };
    this.#sweeping = sweepArtifacts(this.#parts, this.#ending.signal);
    return { address: this.#address, [Symbol.asyncDispose]: () => this.#close() };
  }

  async #close(): Promise<void> {
    this.#ending.abort(new PlatformError('ABORTED', 'The API is stopping'));
    this.#listening[Symbol.dispose]();
    const { clock } = this.#parts.world;
    const { server } = this.#server;
    // Connections of streams that have just ended are idle a moment later, and nobody else would close them.
    using _early = clock.after(CLOSE_GRACE_MS / 20, () => server.closeIdleConnections());
    using _late = clock.after(CLOSE_GRACE_MS / 4, () => server.closeIdleConnections());
    using _last = clock.after(CLOSE_GRACE_MS, () => server.closeAllConnections());
    await Promise.all([this.#server.close(), this.#sweeping]);
    this.#metrics[Symbol.dispose]();
  }

  #addHooks(): void {
    const server = this.#server;
    const { clock } = this.#parts.world;
    const startedAt = new WeakMap<FastifyRequest, number>();
    server.addHook('onRequest', async (request, reply) => {
      startedAt.set(request, clock.now());
      reply.header('x-request-id', request.id).header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
      checkOrigin(request.headers, this.#address);
      // Before anything of the request is read or said about what exists here.
      if (request.routeOptions.url !== '/healthz') authenticate(this.#parts.key, request.headers);
    });
    server.addHook('onSend', async (request, reply) => {
      const durationMs = clock.now() - (startedAt.get(request) ?? clock.now());
      this.#metrics.observe({ method: request.method, route: request.routeOptions.url ?? 'none', status: reply.statusCode, durationMs });
    });
    server.setErrorHandler((error, request, reply) => this.#fail(error, request, reply));
    server.setNotFoundHandler((request) => {
      const path = request.url.split('?')[0] ?? '';
      throw new PlatformError('NOT_FOUND', `Cannot ${request.method} ${path.slice(0, 120)}, because the API has no such path`, {
        next: 'GET /openapi.json lists all',
      });
    });
  }

  #addRoutes(): void {
    const server = this.#server;
    const { store, version } = this.#parts;
    server.get('/healthz', async () => ({ ok: true }));
    server.get('/openapi.json', async () => openApi(ENDPOINTS, version));
    server.get('/metrics', async (_request, reply) => {
      reply.type('text/plain; version=0.0.4');
      return await this.#metrics.text(store, { watchers: this.#storeHandler.watchers });
    });
    for (const endpoint of ENDPOINTS.filter((row) => !row.takesBytes)) {
      server.route({ method: endpoint.method, url: endpoint.path, exposeHeadRoute: false, handler: (request, reply) => this.#serve(endpoint, request, reply) });
    }
    server.register((raw, _options, done) => {
      // These read their body themselves, as it comes and within limits of their own.
      raw.removeAllContentTypeParsers();
      raw.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
      for (const endpoint of ENDPOINTS.filter((row) => row.takesBytes)) {
        raw.route({ method: endpoint.method, url: endpoint.path, handler: (request, reply) => this.#serve(endpoint, request, reply) });
      }
      raw.all('/v1/store/*', (request, reply) => this.#serveStore(request, reply));
      done();
    });
    server.addHook('onClose', async () => this.#ending.abort(new PlatformError('ABORTED', 'The API is stopping')));
  }

  async #serve(endpoint: Endpoint, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const principal: Principal = authenticate(this.#parts.key, request.headers);
    checkRole(principal, endpoint.roles);
    const gone = this.#goneSignal(reply);
    const answer = await endpoint.handle(this.#parts, {
      parameters: new Parameters(request.params as Readonly<Record<string, string>>),
      body: endpoint.body ? parse(endpoint.body, request.body ?? {}, 'body') : undefined,
      query: endpoint.query ? parse(endpoint.query, request.query, 'query') : undefined,
      principal,
      bytes: request.raw,
      signal: gone,
    });
    return this.#send(answer, { request, reply });
  }

  #send(answer: Answer, { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply }): FastifyReply {
    switch (answer.kind) {
      case 'json':
        return reply.code(answer.status ?? 200).send(answer.value);
      case 'text':
        return reply.type(answer.type).send(answer.text);
      case 'bytes':
        return reply
          .header('content-type', 'application/octet-stream')
          .header('content-length', answer.sizeBytes)
          .send(Readable.from(answer.bytes, { objectMode: false }));
      case 'lines':
        return reply.header('content-type', 'application/x-ndjson').send(Readable.from(this.#lines(answer.lines, request.id), { objectMode: false }));
    }
  }

  /** Sends a line at once, so that the head goes out before the first item comes. */
  async *#lines(items: AsyncIterable<unknown>, requestId: string): AsyncGenerator<Uint8Array, void, undefined> {
    const heartbeat = { kind: 'heartbeat' };
    yield toLine(heartbeat);
    try {
      for await (const item of withHeartbeats(this.#parts.world, items)) yield toLine(item ?? heartbeat);
    } catch (error) {
      this.#logUnknown(error, requestId);
      yield toLine(errorBody(error, requestId));
    }
  }

  async #serveStore(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    const signal = this.#goneSignal(reply);
    const answer = await this.#storeHandler.serveStore({ method: request.method, path: request.url, headers, body: request.raw, signal });
    return reply
      .code(answer.status)
      .headers({ ...answer.headers })
      .send(Readable.from(answer.body, { objectMode: false }));
  }

  /** Aborts when the client has gone or the server stops. */
  #goneSignal(reply: FastifyReply): AbortSignal {
    const gone = new AbortController();
    const listening = onAbort(this.#ending.signal, (reason) => gone.abort(reason));
    reply.raw.once('close', () => {
      listening[Symbol.dispose]();
      if (!reply.raw.writableFinished) gone.abort(new PlatformError('ABORTED', 'The client has gone'));
    });
    return gone.signal;
  }

  #fail(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const known = knownError(error);
    this.#logUnknown(known, request.id);
    const body = errorBody(known, request.id);
    // What is left of a body we refuse is not worth reading: the connection is given up instead.
    if (!request.raw.complete) reply.header('connection', 'close');
    return reply.code(HTTP_STATUS[body.error.code]).type('application/json').send(body);
  }

  #logUnknown(error: unknown, requestId: string): void {
    if (error instanceof PlatformError && error.code !== 'INTERNAL') return;
    const stack = error instanceof Error ? error.stack : undefined;
    this.#parts.world.log.write('error', 'A request of the API failed', { requestId, cause: messageOf(error), stack });
  }
}

function parse(schema: z.ZodType, value: unknown, where: 'body' | 'query'): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => ({ path: issue.path.map(String), message: issue.message }));
  const [first] = issues;
  throw new PlatformError('INVALID', `Cannot read the ${where}, because ${first?.path.join('.') || 'it'}: ${first?.message}`, { issues });
}

/** The server's own complaints about a request, in our codes. */
function knownError(error: unknown): unknown {
  if (error instanceof PlatformError || typeof error !== 'object' || error === null) return error;
  const { statusCode, message } = error as { readonly statusCode?: unknown; readonly message?: unknown };
  if (statusCode === 413) return new PlatformError('TOO_LARGE', `Cannot read a body of more than ${MAX_BODY_BYTES} bytes`, { maxBytes: MAX_BODY_BYTES });
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode >= 500) return error;
  return new PlatformError('INVALID', `Cannot read the request: ${String(message)}`);
}

function toLine(value: unknown): Uint8Array {
  return toBytes(`${JSON.stringify(value)}\n`);
}
