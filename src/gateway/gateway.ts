import { availableParallelism } from 'node:os';
import { PlatformError } from '#base/errors';
import { onAbort, unlessAborted } from '#base/signal';
import type { GatewayStatus, Route } from '#model/route';
import type { Address, NetworkServer, UnixMs, World } from '#world/world';
import { type AdminPages, answerAdmin } from './admin-pages.ts';
import { BackendReports } from './backend-reports.ts';
import { soon } from './dataplane/clock.ts';
import { Departure } from './departure.ts';
import type { GatewayConfig, GatewayControls, GatewayOptions } from './gateway-config.ts';
import { HealthChecks } from './health-checks.ts';
import { HttpsRoutes } from './https-routes.ts';
import type { Legacy } from './inheritance.ts';
import { type Bound, takeListener } from './listeners.ts';
import { liveServices } from './live-services.ts';
import { type LiveStatus, SampleWindow } from './live-status.ts';
import { renderMetrics } from './metrics.ts';
import { type PublicListener, PublicListeners } from './public-listeners.ts';
import { RouteFollower } from './route-follower.ts';
import { RouteListeners } from './route-listeners.ts';
import { RouteStore, type SavedRoutes } from './saved-routes.ts';
import { StatusWriter } from './status-writer.ts';
import { type SuccessorCommand, startSuccessor } from './successor.ts';
import type { ServedCertificate } from './tls/tls-settings.ts';
import { type Snapshot, Workers } from './workers.ts';

const samplePeriodMs = 1_000;
const defaultDrainMs = 10_000;
/** Tunnels may live on so long in a process that handed over: nobody waits for its end. */
const handedOverDrainMs = 300_000;
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
  readonly #options: GatewayOptions;
  readonly #world: World;
  readonly #workers: Workers;
  readonly #checks: HealthChecks;
  readonly #reports: BackendReports;
  readonly #routeListeners: RouteListeners;
  readonly #listeners: PublicListeners;
  readonly #https: HttpsRoutes | undefined;
  readonly #follower: RouteFollower;
  readonly #store: RouteStore | undefined;
  readonly #writer: StatusWriter;
  readonly #window: SampleWindow;
  readonly #departure: Departure;
  #inForce: Snapshot = { revision: 0, routes: [] };
  /** When control said so; `undefined`: it has not answered yet. */
  #savedAt: UnixMs | undefined;
  #isServing = false;
  #isChangeDue = false;
  readonly #served = Promise.withResolvers<void>();
  #certificates: readonly ServedCertificate[] = [];
  #adminListener: Bound | undefined;
  /** Ends what goes on while requests in flight end. */
  readonly #end = new AbortController();
  #address: Address;
  #adminAddress: Address;

  constructor(config: GatewayConfig) {
    const { world, view, directory, options = {} } = config;
    this.#config = config;
    this.#options = options;
    this.#world = world;
    this.#address = config.address;
    this.#adminAddress = config.adminAddress;
    this.#window = new SampleWindow(world);
    this.#departure = new Departure(world.clock);
    this.#store = directory === undefined ? undefined : new RouteStore(world, directory);
    const logs = options.accessLogDirectory ?? (options.accessLog ? directory : undefined);
    this.#checks = new HealthChecks(world, (changed) => {
      this.#workers.setHealth([changed]);
      this.#changed();
      this.#save();
    });
    this.#checks.assume(options.inheritance?.legacy.health ?? []);
    this.#reports = new BackendReports(world.log, this.#checks);
    this.#workers = new Workers(world, {
      count: options.workers ?? defaultWorkers(),
      health: () => this.#checks.all,
      accessLogPath: (worker) => (logs === undefined ? undefined : `${logs}/access-${worker}.log`),
      onChange: () => this.#changed(),
    });
    this.#routeListeners = new RouteListeners(world, this.#workers, config.address.host);
    this.#listeners = new PublicListeners(this.#workers, options.inheritance?.listeners);
    this.#https = options.https && new HttpsRoutes(world, this.#workers, { ...options.https, onReport: () => this.#writer.ring() });
    this.#follower = new RouteFollower(world, view, (routes) => this.#routesChanged(routes));
    this.#writer = new StatusWriter(world, view, {
      status: () => this.#status(),
      routesFresh: async (signal) => await this.#follower.listed(signal),
      onLeaseLost: () => this.#follower.follow(),
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
    this.#follower[Symbol.dispose]();
    this.#checks[Symbol.dispose]();
    this.#https?.[Symbol.dispose]();
    await this.#workers[Symbol.asyncDispose]();
  }

  async #serve(): Promise<void> {
    const { signal, address, adminAddress } = this.#config;
    const { inheritance, https } = this.#options;
    const saved = await this.#store?.load();
    this.#listen([{ address, ...(https === undefined ? {} : { settings: { tlsRoutesPort: https.address.port } }) }]);
    const adminListener = takeListener(inheritance?.listeners, adminId, adminAddress);
    this.#adminListener = adminListener;
    this.#adminAddress = adminListener.address;
    await using servers = new AsyncDisposableStack();
    if (inheritance === undefined) servers.use(await this.#serveAdmin(adminListener));
    if (saved !== undefined) this.#serveSaved(saved);
    this.#options.onStart?.(this.#controls);
    // A gateway that keeps nothing gets its routes at once, and serves nobody without them.
    if (saved === undefined && this.#store !== undefined) this.#workers.publish(this.#inForce);
    this.#follower.follow();
    const working = Promise.all([this.#writer.run(this.#end.signal), this.#sample(this.#end.signal)]);
    if (inheritance !== undefined) {
      await unlessAborted(this.#served.promise, signal);
      servers.use(await this.#serveAdmin(adminListener));
      inheritance.serving();
    }
    using _leaving = onAbort(signal, () => this.#departure.begin(this.#options.preDrainMs ?? 0));
    await Promise.race([this.#departure.due, working]);
    await this.#drain(servers);
    this.#end.abort();
    await working;
    this.#follower[Symbol.dispose]();
    this.#checks[Symbol.dispose]();
    await this.#store?.settled();
  }

  async #serveAdmin({ address, handle }: Bound): Promise<NetworkServer> {
    return await this.#world.network.serve(address, async (request) => await answerAdmin(request, this.#pages), handle);
  }

  /** G3. */
  #serveSaved({ revision, routes, passing = [], savedAt }: SavedRoutes): void {
    const { clock, log } = this.#world;
    const ageSeconds = Math.round((clock.wall() - savedAt) / 1_000);
    log.write('info', 'serving saved routes until control answers', { revision, ageSeconds, routes: routes.length });
    this.#follower.assumeAge(ageSeconds);
    this.#checks.assume(passing.map((key) => ({ key, health: 'passing', reachable: true, reason: '' })));
    this.#apply({ revision, routes });
  }

  get #controls(): GatewayControls {
    return {
      listen: (listeners) => this.#listen(listeners),
      challenge: async (challenges) => await this.#workers.showChallenges(challenges, this.#config.signal),
      handOver: async (command) => await this.#handOver(command),
    };
  }

  async #handOver({ secret, names = {}, ...command }: SuccessorCommand & Pick<Legacy, 'secret' | 'names'>): Promise<{ readonly pid: number }> {
    if (this.#departure.hasBegun) throw new PlatformError('CONFLICT', 'Cannot hand over, because this gateway is ending already');
    const legacy = { name: this.#config.name, health: this.#checks.all, secret, names };
    const listeners = new Map(this.#workers.listeners);
    if (this.#adminListener !== undefined) listeners.set(adminId, this.#adminListener.handle);
    const pid = await startSuccessor(this.#world, { ...command, listeners, legacy, signal: this.#config.signal });
    this.#world.log.write('info', 'handed over to a new process', { successor: pid });
    this.#departure.succeeded();
    return { pid };
  }

  /** Requests in flight end while routes are still followed and acknowledged: none goes to an instance that may be stopped (S1). */
  async #drain(servers: AsyncDisposable): Promise<void> {
    const { drainMs = defaultDrainMs } = this.#options;
    this.#https?.[Symbol.dispose]();
    if (!this.#departure.isSucceeded) {
      await this.#workers.stop(drainMs);
      return;
    }
    const stopped = this.#workers.stop(Math.max(drainMs, handedOverDrainMs), { hurry: this.#config.signal, hurriedMs: drainMs });
    await servers[Symbol.asyncDispose]();
    await stopped;
  }

  #listen(listeners: readonly PublicListener[]): readonly Address[] {
    const bound = this.#listeners.configure(listeners);
    this.#certificates = listeners.flatMap(({ settings }) => settings?.tls?.certificates ?? []);
    this.#address = bound[0] ?? this.#address;
    return bound;
  }

  #routesChanged(routes: Snapshot): void {
    this.#apply(routes);
    this.#savedAt = this.#world.clock.wall();
    this.#save();
  }

  #apply(snapshot: Snapshot): void {
    const { routes } = snapshot;
    this.#inForce = snapshot;
    this.#checks.configure(routes);
    // G1.
    this.#workers.publish(snapshot);
    this.#routeListeners.configure(routes);
    this.#https?.configure(routes);
    this.#changed();
  }

  #save(): void {
    // Before control has answered, what is on disk is what is in force.
    if (this.#savedAt === undefined) return;
    const passing = this.#checks.all.filter(({ health }) => health === 'passing').map(({ key }) => key);
    this.#store?.save({ ...this.#inForce, savedAt: this.#savedAt, passing });
  }

  /** What changes in one turn of the event loop, as when a thousand backends are checked, is taken in at once. */
  #changed(): void {
    if (this.#isChangeDue) return;
    this.#isChangeDue = true;
    soon(() => this.#takeIn());
  }

  #takeIn(): void {
    this.#isChangeDue = false;
    if (!this.#isServing && this.#workers.areReady) {
      this.#isServing = true;
      this.#served.resolve();
      this.#options.onReady?.({ address: this.#address, adminAddress: this.#adminAddress });
    }
    this.#reports.update(this.#routes, this.#workers.observations.flat());
    this.#writer.ring();
  }

  get #routes(): readonly Route[] {
    return this.#inForce.routes;
  }

  async #sample(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#workers.refreshSamples(signal);
      this.#window.add(this.#workers.samples);
      await this.#world.clock.sleep(samplePeriodMs, signal).catch(() => undefined);
    }
  }

  #status(): GatewayStatus | undefined {
    if (!this.#isServing) return undefined;
    const { name } = this.#config;
    const addresses = { address: this.#address, adminAddress: this.#adminAddress, ...this.#https?.report };
    // G2.
    return { name, ...addresses, pid: process.pid, appliedRevision: this.#workers.appliedRevision, backends: this.#reports.byInstance(this.#routes) };
  }

  get #pages(): AdminPages {
    return {
      readiness: () => this.#readiness(),
      metrics: async () => await this.#metrics(),
      status: () => this.#liveStatus(),
      reload: this.#options.reload,
      upgrade: this.#options.upgrade,
    };
  }

  #readiness(): ReturnType<AdminPages['readiness']> {
    this.#departure.noteAsked();
    if (this.#departure.hasBegun && !this.#departure.isSucceeded) return 'ending';
    return this.#isServing ? 'ready' : 'not serving yet';
  }

  async #metrics(): Promise<string> {
    await this.#workers.refreshSamples(this.#config.signal);
    return renderMetrics(this.#workers.samples, {
      gateway: this.#config.name,
      configRevision: this.#workers.appliedRevision,
      configAgeSeconds: this.#follower.ageSeconds,
      controlConnected: this.#follower.isConnected,
      workerRestarts: this.#workers.restarts,
      certificateExpirySeconds: new Map(
        [...this.#certificates, ...(this.#https?.certificates ?? [])].map(({ names, validTo }) => [names[0] ?? '', Math.floor(validTo / 1_000)]),
      ),
      certificateOrders: this.#options.orders ?? NO_ORDERS,
      backendUp: new Map(this.#checks.all.map(({ key, health }) => [key, health === 'passing' ? 1 : 0])),
    });
  }

  #liveStatus(): LiveStatus {
    const { last } = this.#window;
    return {
      gateway: this.#config.name,
      revision: this.#workers.appliedRevision,
      controlConnected: this.#follower.isConnected,
      routesAgeSeconds: this.#follower.ageSeconds,
      workers: this.#workers.pids.map((pid) => ({ pid })),
      clients: last?.clients ?? 0,
      memoryBytes: last?.memoryBytes ?? 0,
      services: liveServices(this.#routes, { window: this.#window, reports: this.#reports }),
    };
  }
}

const NO_ORDERS: ReadonlyMap<string, number> = new Map();

function defaultWorkers(): number {
  const cores = availableParallelism();
  return cores <= fewCores ? 1 : Math.min(mostDefaultWorkers, cores >> 1);
}
