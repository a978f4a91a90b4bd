import { availableParallelism } from 'node:os';
import { messageOf, PlatformError } from '#base/errors';
import type { Name } from '#base/name';
import { onAbort } from '#base/signal';
import type { InstanceId } from '#model/instance';
import { PREFIX } from '#model/keys';
import { Mirror } from '#model/mirror';
import type { BackendReport, GatewayStatus, Route } from '#model/route';
import type { StoreView } from '#model/store-view';
import type { Address, NetworkResponse, NetworkServer, ServedRequest, UnixMs, World } from '#world/world';
import { answerPost, page } from './admin-page.ts';
import { backendKey } from './dataplane/backend.ts';
import { HealthChecks } from './health-checks.ts';
import { type HttpsConfig, HttpsRoutes } from './https-routes.ts';
import type { Inheritance, Legacy } from './inheritance.ts';
import { type Bound, takeListener } from './listeners.ts';
import { type LiveBackend, type LiveService, type LiveStatus, SampleWindow, type ServiceTraffic } from './live-status.ts';
import { renderMetrics } from './metrics.ts';
import { type PublicListener, PublicListeners } from './public-listeners.ts';
import { RouteListeners } from './route-listeners.ts';
import { RouteStore } from './saved-routes.ts';
import { StatusWriter } from './status-writer.ts';
import { type SuccessorCommand, startSuccessor } from './successor.ts';
import type { Challenges } from './tls/acme/challenges.ts';
import type { ServedCertificate } from './tls/tls-settings.ts';
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
  /** Absent: routes for HTTPS are served without it. */
  readonly https?: HttpsConfig;
  /** How long it says that it is not ready before it takes no more connections, so that whoever asks can send clients elsewhere. */
  readonly preDrainMs?: number;
  /** What the process that served before this one left. */
  readonly inheritance?: Inheritance;
  /** What `POST /upgrade` at the admin address does; its result is the answer, its PlatformError the refusal. */
  readonly upgrade?: () => Promise<object>;
  /** Called once when clients are served, with the ports that were taken. */
  readonly onReady?: (addresses: { readonly address: Address; readonly adminAddress: Address }) => void;
  /** Called once before it serves, for what is changed while it runs. */
  readonly onStart?: (controls: GatewayControls) => void;
  /** What `POST /reload` at the admin address does; its result is the answer, its PlatformError the refusal. */
  readonly reload?: () => Promise<object>;
  /** Orders of certificates since the start, by how they ended; absent: none are made. */
  readonly orders?: ReadonlyMap<string, number>;
}

export interface GatewayControls {
  /** Listens for clients on exactly these listeners; tells the addresses that were bound. LOCKED or INVALID if one cannot be had: then nothing has changed. */
  listen(listeners: readonly PublicListener[]): readonly Address[];
  /** Answers exactly these challenges of authorities, in every worker when it resolves. */
  challenge(challenges: Challenges): Promise<void>;
  /** Hands the listeners to a new process; once that one serves, this one drains and ends. If it rejects, nothing has changed. */
  handOver(command: SuccessorCommand & Pick<Legacy, 'secret' | 'names'>): Promise<{ readonly pid: number }>;
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

const samplePeriodMs = 1_000;
const defaultDrainMs = 10_000;
/** Tunnels may live on so long in a process that handed over: nobody waits for its end. */
const handedOverDrainMs = 300_000;
/** Who asked whether we are ready within this time is told that we go. */
const readyAskedMs = 60_000;
const adminId = 'admin';
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
  readonly #routeListeners: RouteListeners;
  readonly #listeners: PublicListeners;
  readonly #https: HttpsRoutes | undefined;
  readonly #store: RouteStore | undefined;
  readonly #writer: StatusWriter;
  readonly #window: SampleWindow;
  readonly #reports = new Map<string, BackendReport>();
  #routes: readonly Route[] = [];
  #revision = 0;
  /** Of the routes control said last; `undefined`: it has not answered yet. */
  #signature: string | undefined;
  #confirmedAt: number;
  #savedAt: UnixMs | undefined;
  #mirror: Mirror<Route> | undefined;
  #mirrorStop = new AbortController();
  #fresh = Promise.withResolvers<void>();
  #isServing = false;
  #certificates: readonly ServedCertificate[] = [];
  readonly #served = Promise.withResolvers<void>();
  /** It goes: of itself, or because another process serves now. */
  #isLeaving = false;
  readonly #left = Promise.withResolvers<void>();
  #isSucceeded = false;
  #adminListener: Bound | undefined;
  #readyAskedAt = Number.NEGATIVE_INFINITY;
  /** Ends what goes on while requests in flight end. */
  readonly #end = new AbortController();
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
      this.#save();
    });
    this.#checks.assume(options.inheritance?.legacy.health ?? []);
    this.#workers = new Workers(world, {
      count: options.workers ?? defaultWorkers(),
      health: () => this.#checks.all,
      accessLogPath: (worker) => (logs === undefined ? undefined : `${logs}/access-${worker}.log`),
      onChange: () => this.#changed(),
    });
    this.#routeListeners = new RouteListeners(world, this.#workers, config.address.host);
    this.#listeners = new PublicListeners(this.#workers, options.inheritance?.listeners);
    this.#https = options.https && new HttpsRoutes(world, this.#workers, { ...options.https, onReport: () => this.#writer.ring() });
    this.#writer = new StatusWriter(world, view, {
      status: () => this.#status(),
      routesFresh: async (signal) => await raceAbort(this.#fresh.promise, signal),
      onLeaseLost: () => this.#follow(),
    });
  }

  async run(): Promise<void> {
    try {
      await this.#serve();
    } catch (error) {
      await this.#giveUp();
      throw error;
    }
  }

  /** What was begun would keep the process from ending. */
  async #giveUp(): Promise<void> {
    this.#end.abort();
    this.#mirrorStop.abort();
    this.#checks[Symbol.dispose]();
    this.#https?.[Symbol.dispose]();
    await this.#workers[Symbol.asyncDispose]();
  }

  async #serve(): Promise<void> {
    const { signal, options = {}, address, adminAddress } = this.#config;
    const { log } = this.#world;
    const saved = await this.#store?.load();
    this.#listen([{ address, ...(options.https === undefined ? {} : { settings: { tlsRoutesPort: options.https.address.port } }) }]);
    this.#adminListener = takeListener(options.inheritance?.listeners, adminId, adminAddress);
    this.#adminAddress = this.#adminListener.address;
    await using servers = new AsyncDisposableStack();
    if (options.inheritance === undefined) servers.use(await this.#serveAdmin(this.#adminListener));
    if (saved !== undefined) {
      const ageSeconds = Math.round((this.#world.clock.wall() - saved.savedAt) / 1_000);
      log.write('info', 'serving saved routes until control answers', { revision: saved.revision, ageSeconds, routes: saved.routes.length });
      this.#confirmedAt -= ageSeconds * 1_000;
      this.#checks.assume((saved.passing ?? []).map((key) => ({ key, health: 'passing', reachable: true, reason: '' })));
      this.#apply(saved.revision, saved.routes);
    }
    options.onStart?.({
      listen: (listeners) => this.#listen(listeners),
      challenge: async (challenges) => await this.#workers.showChallenges(challenges, signal),
      handOver: async (command) => await this.#handOver(command),
    });
    // A gateway that keeps nothing gets its routes at once, and serves nobody without them.
    if (saved === undefined && this.#store !== undefined) this.#workers.publish({ revision: 0, routes: [] });
    this.#follow();
    const working = Promise.all([this.#writer.run(this.#end.signal), this.#sample(this.#end.signal)]);
    if (options.inheritance !== undefined) {
      await raceAbort(this.#served.promise, signal);
      servers.use(await this.#serveAdmin(this.#adminListener));
      options.inheritance.serving();
    }
    using _leaving = onAbort(signal, () => this.#leave());
    await Promise.race([this.#left.promise, working]);
    await this.#drain(servers);
    this.#end.abort();
    await working;
    this.#mirrorStop.abort();
    this.#checks[Symbol.dispose]();
    await this.#store?.settled();
  }

  async #serveAdmin({ address, handle }: Bound): Promise<NetworkServer> {
    return await this.#world.network.serve(address, async (request) => await this.#answerAdmin(request), handle);
  }

  async #handOver({ secret, names = {}, ...command }: SuccessorCommand & Pick<Legacy, 'secret' | 'names'>): Promise<{ readonly pid: number }> {
    if (this.#isLeaving) throw new PlatformError('CONFLICT', 'Cannot hand over, because this gateway is ending already');
    const legacy = { name: this.#config.name, health: this.#checks.all, secret, names };
    const listeners = new Map(this.#workers.listeners);
    if (this.#adminListener !== undefined) listeners.set(adminId, this.#adminListener.handle);
    const pid = await startSuccessor(this.#world, { ...command, listeners, legacy, signal: this.#config.signal });
    this.#world.log.write('info', 'handed over to a new process', { successor: pid });
    this.#isSucceeded = true;
    this.#leave();
    return { pid };
  }

  /** Begins to go. Whoever asks is told for a while before connections are no longer taken, unless another process takes them. */
  #leave(): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    const { clock } = this.#world;
    const { preDrainMs = 0 } = this.#config.options ?? {};
    const isAsked = clock.now() - this.#readyAskedAt < readyAskedMs;
    if (!this.#isSucceeded && isAsked && preDrainMs > 0) clock.after(preDrainMs, this.#left.resolve);
    else this.#left.resolve();
  }

  /** Requests in flight end while routes are still followed and acknowledged: none goes to an instance that may be stopped (S1). */
  async #drain(servers: AsyncDisposable): Promise<void> {
    const { options = {}, signal } = this.#config;
    this.#https?.[Symbol.dispose]();
    const drainMs = options.drainMs ?? defaultDrainMs;
    if (!this.#isSucceeded) {
      await this.#workers.stop(drainMs);
      return;
    }
    const stopped = this.#workers.stop(Math.max(drainMs, handedOverDrainMs), { hurry: signal, hurriedMs: drainMs });
    await servers[Symbol.asyncDispose]();
    await stopped;
  }

  #listen(listeners: readonly PublicListener[]): readonly Address[] {
    const bound = this.#listeners.configure(listeners);
    this.#certificates = listeners.flatMap(({ settings }) => settings?.tls?.certificates ?? []);
    this.#address = bound[0] ?? this.#address;
    return bound;
  }

  /** Lists the routes and follows them from there; called again when what is known may be stale. */
  #follow(): void {
    const { view } = this.#config;
    if (this.#end.signal.aborted) return;
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
    if (signature === this.#signature && mirror.revision >= this.#revision) return;
    this.#signature = signature;
    const routes = items.map(({ value }) => value);
    this.#apply(mirror.revision, routes);
    this.#savedAt = this.#world.clock.wall();
    this.#save();
  }

  #save(): void {
    // Before control has answered, what is on disk is what is in force.
    if (this.#savedAt === undefined) return;
    const passing = this.#checks.all.filter(({ health }) => health === 'passing').map(({ key }) => key);
    this.#store?.save({ revision: this.#revision, savedAt: this.#savedAt, routes: this.#routes, passing });
  }

  #apply(revision: number, routes: readonly Route[]): void {
    this.#revision = revision;
    this.#routes = routes;
    this.#checks.configure(routes);
    // G1.
    this.#workers.publish({ revision, routes });
    this.#routeListeners.configure(routes);
    this.#https?.configure(routes);
    this.#changed();
  }

  #changed(): void {
    if (!this.#isServing && this.#workers.areReady) {
      this.#isServing = true;
      this.#served.resolve();
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
        // What is only assumed serves requests, but is no word to control.
        const found = checked === undefined || checked.isAssumed ? 'unknown' : checked.health;
        const health = ejected !== undefined ? 'failing' : found;
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
    const addresses = { address: this.#address, adminAddress: this.#adminAddress, ...this.#https?.report };
    // G2.
    return { name, ...addresses, pid: process.pid, appliedRevision: this.#workers.appliedRevision, backends };
  }

  async #sample(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#workers.refreshSamples(signal);
      this.#window.add(this.#workers.samples);
      await this.#world.clock.sleep(samplePeriodMs, signal).catch(() => undefined);
    }
  }

  async #answerAdmin({ method, path, headers }: ServedRequest): Promise<NetworkResponse> {
    const route = path.split('?', 1)[0];
    const { reload, upgrade } = this.#config.options ?? {};
    if (route === '/reload' && method === 'POST') return await answerPost(headers, reload);
    if (route === '/upgrade' && method === 'POST') return await answerPost(headers, upgrade);
    if (method !== 'GET' && method !== 'HEAD') return page(405, 'text/plain', 'only GET\n');
    switch (route) {
      case '/ready':
        this.#readyAskedAt = this.#world.clock.now();
        if (this.#isLeaving && !this.#isSucceeded) return page(503, 'text/plain', 'ending\n');
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

  #metrics(): string {
    return renderMetrics(this.#workers.samples, {
      gateway: this.#config.name,
      configRevision: this.#workers.appliedRevision,
      configAgeSeconds: this.#ageSeconds,
      controlConnected: this.#mirror?.connected ?? false,
      workerRestarts: this.#workers.restarts,
      certificateExpirySeconds: new Map(
        [...this.#certificates, ...(this.#https?.certificates ?? [])].map(({ names, validTo }) => [names[0] ?? '', Math.floor(validTo / 1_000)]),
      ),
      certificateOrders: this.#config.options?.orders ?? NO_ORDERS,
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
          ejections: Object.values(sample?.ejections ?? {}).reduce((sum, count) => sum + count, 0),
        };
      });
      services[key] = { ...service, matches: route.matches.map(({ host, path }) => `${host}${path}`), backends };
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

const NO_ORDERS: ReadonlyMap<string, number> = new Map();

const NO_TRAFFIC: ServiceTraffic = {
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

async function raceAbort(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  using _listening = onAbort(signal, aborted.reject);
  await Promise.race([promise, aborted.promise]);
}
