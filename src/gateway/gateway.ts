import { availableParallelism } from 'node:os';
import { toBytes } from '#base/bytes';
import { messageOf, PlatformError } from '#base/errors';
import type { Name } from '#base/name';
import { onAbort } from '#base/signal';
import type { InstanceId } from '#model/instance';
import { PREFIX } from '#model/keys';
import { Mirror } from '#model/mirror';
import type { BackendReport, GatewayStatus, Route } from '#model/route';
import type { StoreView } from '#model/store-view';
import type { Address, NetworkResponse, ServedRequest, World } from '#world/world';
import { backendKey } from './dataplane/backend.ts';
import { HealthChecks } from './health-checks.ts';
import { InternalListeners } from './internal-listeners.ts';
import { type LiveBackend, type LiveService, type LiveStatus, SampleWindow } from './live-status.ts';
import { renderMetrics } from './metrics.ts';
import { type PublicListener, PublicListeners } from './public-listeners.ts';
import { RouteStore } from './saved-routes.ts';
import { StatusWriter } from './status-writer.ts';
import { Workers } from './workers.ts';

export interface GatewayOptions {
  /** Processes that serve; 1 where there are at most two cores to share with everything else. */
  readonly workers?: number;
  /** JSON lines in `directory/access-N.log`. */
  readonly accessLog?: boolean;
  /** The same in another folder, which must be there. */
  readonly accessLogDirectory?: string;
  /** How long requests in flight may go on when the gateway stops. */
  readonly drainMs?: number;
  /** Called once when clients are served, with the ports that were taken. */
  readonly onReady?: (addresses: { readonly address: Address; readonly adminAddress: Address }) => void;
  /** Called once before it serves, for what is changed while it runs. */
  readonly onStart?: (controls: GatewayControls) => void;
  /** What `POST /reload` at the admin address does; its result is the answer, its PlatformError the refusal. */
  readonly reload?: () => Promise<object>;
}

export interface GatewayControls {
  /** Listens for clients on exactly these listeners; tells the addresses that were bound. LOCKED or INVALID if one cannot be had: then nothing has changed. */
  listen(listeners: readonly PublicListener[]): readonly Address[];
}

export interface GatewayConfig {
  readonly world: World;
  readonly view: StoreView;
  readonly name: Name;
  /** Its own folder for the last known routes; made if missing. None: it keeps nothing, because its routes are there whenever it starts. */
  readonly directory?: string;
  readonly address: Address;
  readonly adminAddress: Address;
  readonly options?: GatewayOptions;
  /** Aborting drains and stops it. */
  readonly signal: AbortSignal;
}

/** Sent with `POST /reload`. */
export const RELOAD_FIELD = 'haven-reload';

const samplePeriodMs = 1_000;
const defaultDrainMs = 10_000;
/** Where there are few cores, instances need them more. */
const fewCores = 2;
const mostDefaultWorkers = 4;

/** Runs a gateway until the signal aborts: resolves when its workers have drained and its lease is given back. Rejects if it cannot listen. */
export async function runGateway(config: GatewayConfig): Promise<void> {
  const gateway = new Gateway(config);
  await gateway.run();
}

/**
 * The parent of the workers: follows the routes, checks backends, reports what is in force.
 *
 * G1: workers get one snapshot per revision, whole. G2: what the status says was acknowledged by every worker. G3: without control it serves the last
 * routes it knew, after a restart those on disk.
 */
class Gateway {
  readonly #config: GatewayConfig;
  readonly #world: World;
  readonly #workers: Workers;
  readonly #checks: HealthChecks;
  readonly #internal: InternalListeners;
  readonly #listeners: PublicListeners;
  readonly #store: RouteStore | undefined;
  readonly #writer: StatusWriter;
  readonly #window: SampleWindow;
  readonly #reports = new Map<string, BackendReport>();
  #routes: readonly Route[] = [];
  #revision = 0;
  #signature = '';
  #confirmedAt: number;
  #mirror: Mirror<Route> | undefined;
  #mirrorStop = new AbortController();
  #fresh = Promise.withResolvers<void>();
  #isServing = false;
  #address: Address;
  #adminAddress: Address;

  constructor(config: GatewayConfig) {
    const { world, view, directory, options = {} } = config;
    this.#config = config;
    this.#world = world;
    this.#address = config.address;
    this.#adminAddress = config.adminAddress;
    this.#confirmedAt = world.clock.now();
    this.#window = new SampleWindow(world);
    this.#store = directory === undefined ? undefined : new RouteStore(world, directory);
    const logs = options.accessLogDirectory ?? (options.accessLog ? directory : undefined);
    this.#checks = new HealthChecks(world, (changed) => {
      this.#workers.setHealth([changed]);
      this.#changed();
    });
    this.#workers = new Workers(world, {
      count: options.workers ?? defaultWorkers(),
      health: () => this.#checks.all,
      accessLogPath: (worker) => (logs === undefined ? undefined : `${logs}/access-${worker}.log`),
      onChange: () => this.#changed(),
    });
    this.#internal = new InternalListeners(world, this.#workers);
    this.#listeners = new PublicListeners(this.#workers);
    this.#writer = new StatusWriter(world, view, {
      status: () => this.#status(),
      routesFresh: async (signal) => await raceAbort(this.#fresh.promise, signal),
      onLeaseLost: () => this.#follow(),
    });
  }

  async run(): Promise<void> {
    const { signal, options = {}, address, adminAddress } = this.#config;
    const { network, log } = this.#world;
    const saved = await this.#store?.load();
    this.#listen([{ address }]);
    await using admin = await network.serve(adminAddress, async (request) => await this.#answerAdmin(request));
    this.#adminAddress = admin.address;
    if (saved !== undefined) {
      const ageSeconds = Math.round((this.#world.clock.wall() - saved.savedAt) / 1_000);
      log.write('info', 'serving saved routes until control answers', { revision: saved.revision, ageSeconds, routes: saved.routes.length });
      this.#confirmedAt -= ageSeconds * 1_000;
      this.#apply(saved.revision, saved.routes);
    }
    options.onStart?.({ listen: (listeners) => this.#listen(listeners) });
    if (saved === undefined) this.#workers.publish({ revision: 0, routes: [] });
    this.#follow();
    using _following = onAbort(signal, () => this.#mirrorStop.abort());
    const writing = this.#writer.run(signal);
    const sampling = this.#sample(signal);
    await Promise.all([writing, sampling]);
    this.#checks[Symbol.dispose]();
    await this.#workers.stop(options.drainMs ?? defaultDrainMs);
    await this.#store?.settled();
  }

  #listen(listeners: readonly PublicListener[]): readonly Address[] {
    const bound = this.#listeners.configure(listeners);
    this.#address = bound[0] ?? this.#address;
    return bound;
  }

  /** Lists the routes and follows them from there; called again when what is known may be stale. */
  #follow(): void {
    const { view, signal } = this.#config;
    if (signal.aborted) return;
    this.#mirrorStop.abort();
    this.#mirrorStop = new AbortController();
    this.#fresh = Promise.withResolvers();
    const fresh = this.#fresh;
    const mirror: Mirror<Route> = new Mirror(this.#world, view, {
      prefix: PREFIX.routes,
      onChange: () => {
        if (this.#mirror !== mirror) return;
        this.#routesChanged(mirror);
        fresh.resolve();
      },
    });
    this.#mirror = mirror;
    mirror.run(this.#mirrorStop.signal).catch((error: unknown) => this.#world.log.write('error', 'following routes ended', { cause: messageOf(error) }));
  }

  #routesChanged(mirror: Mirror<Route>): void {
    this.#confirmedAt = this.#world.clock.now();
    const items = [...mirror.itemsByKey.values()];
    const signature = items.map(({ key, modRevision }) => `${key}@${modRevision}`).join(' ');
    // A bookmark moves the revision without changing a route: nothing to acknowledge.
    if (signature === this.#signature && mirror.revision >= this.#revision && this.#revision > 0) return;
    this.#signature = signature;
    const routes = items.map(({ value }) => value);
    this.#apply(mirror.revision, routes);
    this.#store?.save({ revision: mirror.revision, savedAt: this.#world.clock.wall(), routes });
  }

  #apply(revision: number, routes: readonly Route[]): void {
    this.#revision = revision;
    this.#routes = routes;
    this.#checks.configure(routes);
    // G1.
    this.#workers.publish({ revision, routes });
    this.#internal.configure(routes);
    this.#changed();
  }

  #changed(): void {
    if (!this.#isServing && this.#workers.areReady) {
      this.#isServing = true;
      this.#config.options?.onReady?.({ address: this.#address, adminAddress: this.#adminAddress });
    }
    this.#updateReports();
    this.#writer.ring();
  }

  #updateReports(): void {
    const known = new Set<string>();
    const observations = this.#workers.observations.flat();
    for (const route of this.#routes) {
      for (const backend of route.backends) {
        const key = backendKey(backend);
        known.add(key);
        const seen = observations.filter((observation) => observation.key === key);
        const checked = this.#checks.get(key);
        const ejected = seen.find((observation) => observation.ejected);
        const health = ejected !== undefined ? 'failing' : (checked?.health ?? 'unknown');
        const before = this.#reports.get(key);
        const isSteady = before?.health === health;
        this.#reports.set(key, {
          attempt: backend.attempt,
          health,
          transitions: (before?.transitions ?? 0) + (before === undefined || isSteady ? 0 : 1),
          inFlight: backend.state === 'draining' ? seen.reduce((sum, { inFlight }) => sum + inFlight, 0) : 0,
          reason: ejected?.reason ?? checked?.reason ?? '',
        });
      }
    }
    for (const key of this.#reports.keys()) if (!known.has(key)) this.#reports.delete(key);
  }

  #status(): GatewayStatus | undefined {
    if (!this.#isServing) return undefined;
    const backends: Record<InstanceId, BackendReport> = {};
    for (const route of this.#routes) {
      for (const backend of route.backends) {
        const report = this.#reports.get(backendKey(backend));
        if (report !== undefined) backends[backend.id] = report;
      }
    }
    const { name } = this.#config;
    // G2.
    return { name, address: this.#address, adminAddress: this.#adminAddress, pid: process.pid, appliedRevision: this.#workers.appliedRevision, backends };
  }

  async #sample(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#workers.refreshSamples(signal);
      this.#window.add([...this.#workers.ended, ...this.#workers.samples]);
      await this.#world.clock.sleep(samplePeriodMs, signal).catch(() => undefined);
    }
  }

  async #answerAdmin({ method, path, headers }: ServedRequest): Promise<NetworkResponse> {
    const route = path.split('?', 1)[0];
    if (route === '/reload' && method === 'POST') return await this.#answerReload(headers);
    if (method !== 'GET' && method !== 'HEAD') return page(405, 'text/plain', 'only GET\n');
    switch (route) {
      case '/ready':
        return this.#isServing ? page(200, 'text/plain', 'ready\n') : page(503, 'text/plain', 'not serving yet\n');
      case '/metrics':
        await this.#workers.refreshSamples(this.#config.signal);
        return page(200, 'text/plain; version=0.0.4', this.#metrics());
      case '/status':
        return page(200, 'application/json', JSON.stringify(this.#liveStatus()));
      default:
        return page(404, 'text/plain', 'there are /metrics, /status and /ready\n');
    }
  }

  async #answerReload(headers: ServedRequest['headers']): Promise<NetworkResponse> {
    const { reload } = this.#config.options ?? {};
    // A web page can make its visitor's browser send a POST, but not with a field of our own.
    if (reload === undefined || headers[RELOAD_FIELD] === undefined) return page(404, 'text/plain', 'nothing to reload\n');
    try {
      return page(200, 'application/json', JSON.stringify(await reload()));
    } catch (error) {
      const { code, message, details } = error instanceof PlatformError ? error : { code: 'INTERNAL', message: messageOf(error), details: {} };
      return page(code === 'INTERNAL' ? 500 : 400, 'application/json', JSON.stringify({ error: { code, message, details } }));
    }
  }

  #metrics(): string {
    return renderMetrics([...this.#workers.ended, ...this.#workers.samples], {
      gateway: this.#config.name,
      configRevision: this.#workers.appliedRevision,
      configAgeSeconds: this.#ageSeconds,
      controlConnected: this.#mirror?.connected ?? false,
      workerRestarts: this.#workers.restarts,
      backendUp: new Map(this.#checks.all.map(({ key, health }) => [key, health === 'passing' ? 1 : 0])),
    });
  }

  get #ageSeconds(): number {
    return Math.round((this.#world.clock.now() - this.#confirmedAt) / 1_000);
  }

  #liveStatus(): LiveStatus {
    const services: Record<string, LiveService> = {};
    const last = this.#window.last;
    for (const route of this.#routes) {
      const key = `${route.app}/${route.service}`;
      const service = this.#window.service(key) ?? NO_TRAFFIC;
      const backends: LiveBackend[] = route.backends.map((backend) => {
        const backendId = backendKey(backend);
        const report = this.#reports.get(backendId);
        const sample = last?.backends[backendId];
        return {
          id: backend.id,
          name: backend.name,
          address: `${backend.address.host}:${backend.address.port}`,
          tier: backend.tier,
          state: backend.state,
          health: report?.health ?? 'unknown',
          reason: report?.reason ?? '',
          inFlight: sample?.inFlight ?? 0,
          answers: sample?.answers ?? 0,
          failures: sample?.failures ?? 0,
          ejections: sample?.ejections ?? 0,
        };
      });
      services[key] = { ...service, backends };
    }
    return {
      gateway: this.#config.name,
      revision: this.#workers.appliedRevision,
      controlConnected: this.#mirror?.connected ?? false,
      routesAgeSeconds: this.#ageSeconds,
      workers: this.#workers.pids.map((pid) => ({ pid })),
      clients: last?.clients ?? 0,
      memoryBytes: last?.memoryBytes ?? 0,
      services,
    };
  }
}

const NO_TRAFFIC: Omit<LiveService, 'backends'> = {
  tier: 'none',
  requestsPerSecond: 0,
  p50Ms: 0,
  p95Ms: 0,
  p99Ms: 0,
  answers: {},
  retries: 0,
  inFlight: 0,
  held: 0,
};

function defaultWorkers(): number {
  const cores = availableParallelism();
  return cores <= fewCores ? 1 : Math.min(mostDefaultWorkers, cores >> 1);
}

function page(status: number, type: string, text: string): NetworkResponse {
  return { status, headers: { 'content-type': type }, body: once(toBytes(text)) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function raceAbort(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  using _listening = onAbort(signal, aborted.reject);
  await Promise.race([promise, aborted.promise]);
}
