import { createServer, type Server } from 'node:net';
import type { Route } from '#model/route';
import { Backend, backendKey } from './backend.ts';
import { after, every } from './clock.ts';
import { FrontDoor } from './front-door.ts';
import { LIMITS } from './limits.ts';
import { type ListenerSettings, PLAIN_LISTENER } from './listener-settings.ts';
import { Plane } from './plane.ts';
import type { Ring } from './ring/ring.ts';
import { WaitingConnections } from './ring/waiting-connections.ts';
import { RoutingTable } from './routing-table.ts';
import { Service } from './service.ts';
import { Suspicions } from './suspicions.ts';

/** Health of one backend as the active checks see it. */
export interface HealthUpdate {
  readonly key: string;
  readonly health: Backend['health'];
  readonly reachable: boolean;
  /** It was asked by HTTP, so that passing means more than an open port. */
  readonly byHttp: boolean;
}

/** While requests are in flight; without any, a worker that is woken for nothing costs more than it finds. */
const suspicionPeriodMs = 20;
const idlePeriodMs = 100;
const deadlinePeriodMs = 100;
const backlog = 511;

interface Listener {
  readonly server: Server;
  readonly door: FrontDoor;
}

/** One worker's data plane: listeners, connections, services and their backends, configured as a whole. */
export class Dataplane implements Disposable {
  readonly plane: Plane;
  readonly backends = new Map<string, Backend>();
  /** Taken out of the configuration while requests were in flight. */
  readonly #leaving = new Set<Backend>();
  readonly #listeners = new Map<string, Listener>();
  readonly #waiting: WaitingConnections | undefined;
  readonly #suspicions: Suspicions;
  readonly #deadlines: Disposable;
  #suspecting: Disposable;
  #revision = 0;

  constructor(seed: Uint8Array, ring?: Ring) {
    this.plane = new Plane(seed, ring);
    this.#waiting = ring && new WaitingConnections(ring.calls);
    this.#suspicions = new Suspicions(this.plane, this.services, this.backends);
    this.#deadlines = every(deadlinePeriodMs, () => this.#sweepDeadlines());
    this.#suspecting = after(idlePeriodMs, () => this.#suspect());
  }

  get services(): Map<string, Service> {
    return this.plane.services;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Puts a configuration in force, all at once. What stays keeps its connections and counts; what is gone gets no new request. */
  apply(revision: number, routes: readonly Route[]): void {
    this.plane.tick();
    this.#revision = revision;
    this.#applyBackends(routes);
    const seen = new Set<string>();
    const entries = routes.flatMap((route) => {
      const key = `${route.app}/${route.service}`;
      seen.add(key);
      const service =
        this.services.get(key) ??
        new Service(
          key,
          () => this.plane.luck(),
          (woken) => this.plane.awake.add(woken),
        );
      this.services.set(key, service);
      service.configure(route, this.backends);
      return [false, true].map((wantsTls) => ({
        matches: route.matches.filter(({ tls }) => (tls !== undefined) === wantsTls),
        target: { service, wantsTls },
      }));
    });
    for (const [key, service] of this.services) {
      if (seen.has(key)) continue;
      this.services.delete(key);
      service.retire();
      this.plane.awake.delete(service);
    }
    this.plane.table = new RoutingTable(entries);
    this.plane.internal.clear();
    for (const service of this.services.values()) if (service.internalPort !== undefined) this.plane.internal.set(service.internalPort, service);
  }

  setHealth(updates: readonly HealthUpdate[]): void {
    this.plane.tick();
    const changed = new Set<string>();
    for (const { key, health, reachable, byHttp } of updates) {
      const backend = this.backends.get(key);
      if (backend === undefined) continue;
      // a port that is open says nothing of what made it fail.
      if (byHttp && health === 'passing' && backend.health === 'failing') backend.recovered();
      backend.health = health;
      backend.refuses = !reachable;
      changed.add(key);
      if (health === 'failing' && !reachable) backend.closeIdle();
    }
    for (const service of this.services.values()) if (service.backends.some(({ key }) => changed.has(key))) service.refresh();
  }

  /** Accepts connections on a handle or a port. */
  async listen(id: string, source: unknown, settings: ListenerSettings = PLAIN_LISTENER): Promise<Server> {
    const door = new FrontDoor(this.plane, settings);
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
      door.accept(socket);
      this.#waiting?.take(server);
    });
    this.#listeners.set(id, { server, door });
    const listening = Promise.withResolvers<void>();
    server.once('error', listening.reject);
    server.listen(source as Parameters<Server['listen']>[0], backlog, listening.resolve);
    await listening.promise;
    server.on('error', () => undefined);
    return server;
  }

  /** Treats the connections it accepts from now on by these settings. */
  changeListener(id: string, settings: ListenerSettings): void {
    const listener = this.#listeners.get(id);
    if (listener !== undefined) listener.door.settings = settings;
  }

  unlisten(id: string): void {
    this.#listeners.get(id)?.server.close();
    this.#listeners.delete(id);
  }

  /** Takes no new connections and ends each one after its answer: so a client learns of it before it sends the next request, and not under its hand. */
  drain(lastsMs: number): void {
    this.plane.isDraining = true;
    // What is left when the time is over ends with the worker: tunnels are to end in order before.
    this.plane.drain = { since: this.plane.tick(), drainMs: lastsMs * 0.9 };
    for (const id of [...this.#listeners.keys()]) this.unlisten(id);
  }

  /** Closes the connections of a drain that are not used, a little later and not all at once, because somebody may be about to use them. */
  endIdle(lastsMs: number): void {
    const now = this.plane.tick();
    const graceMs = Math.min(LIMITS.drainGraceMs, lastsMs / 8);
    const spreadMs = Math.min(LIMITS.drainSpreadMs, lastsMs / 4);
    for (const client of this.plane.clients.toArray()) client.endWhenIdle(now + graceMs + spreadMs * this.plane.luck());
  }

  [Symbol.dispose](): void {
    this.#deadlines[Symbol.dispose]();
    this.#suspecting[Symbol.dispose]();
    for (const id of [...this.#listeners.keys()]) this.unlisten(id);
    for (const socket of this.plane.opening) socket.destroy();
    for (const client of this.plane.clients.toArray()) client.destroy();
    for (const backend of [...this.backends.values(), ...this.#leaving]) {
      backend.closeIdle();
      for (const upstream of backend.busy.toArray()) upstream.abandon();
      for (const tunnel of [...backend.tcpTunnels]) tunnel.destroy();
    }
  }

  #applyBackends(routes: readonly Route[]): void {
    const wanted = new Set<string>();
    for (const route of routes) {
      for (const config of route.backends) {
        const key = backendKey(config);
        wanted.add(key);
        const known = this.backends.get(key);
        const isSame = known !== undefined && known.address.host === config.address.host && known.address.port === config.address.port;
        if (isSame) known.update(config);
        else {
          if (known !== undefined) this.#release(known);
          this.backends.set(key, new Backend(config));
        }
      }
    }
    for (const backend of [...this.backends.values()]) {
      if (wanted.has(backend.key)) continue;
      this.backends.delete(backend.key);
      this.#release(backend);
    }
  }

  #release(backend: Backend): void {
    backend.draining = true;
    backend.closeIdle();
    if (backend.inFlight > 0) this.#leaving.add(backend);
  }

  #sweepDeadlines(): void {
    const now = this.plane.tick();
    for (let client = this.plane.clients.first; client !== undefined; ) {
      const { next } = client;
      if (client.deadlineAt <= now) client.expired();
      client = next;
    }
    for (const service of this.plane.awake) this.#sweepService(service, now);
    for (const backend of this.#leaving) {
      sweepBackend(backend, now);
      this.#drainTunnels(backend, now);
      if (backend.inFlight === 0) this.#leaving.delete(backend);
    }
  }

  #sweepService(service: Service, now: number): void {
    for (const backend of service.backends) {
      sweepBackend(backend, now);
      this.#drainTunnels(backend, now);
    }
    if (service.sweep(now)) this.plane.onReport();
    if (service.rest(now)) this.plane.awake.delete(service);
  }

  #suspect(): void {
    const periodMs = this.#suspicions.sweep() ? suspicionPeriodMs : idlePeriodMs;
    this.#suspecting = after(periodMs, () => this.#suspect());
  }

  #drainTunnels(backend: Backend, now: number): void {
    if (backend.draining && backend.drainingSince === 0) backend.drainingSince = now;
    const { home, tcpTunnels } = backend;
    // Of many backends nearly all are under no drain.
    if (!backend.draining && home === undefined && this.plane.drain === undefined && tcpTunnels.size === 0) return;
    const own = backend.draining ? { since: backend.drainingSince, drainMs: backend.drainMs } : undefined;
    const drains = [own, home, this.plane.drain];
    for (const tunnel of tcpTunnels) tunnel.drain(drains);
    if (drains.every((drain) => drain === undefined)) return;
    for (const upstream of backend.busy.toArray()) upstream.exchange?.sweepTunnel(now, drains);
  }
}

function sweepBackend(backend: Backend, now: number): void {
  if (backend.idle.length > 0) backend.sweepIdle(now);
  backend.pipeline?.sweep(now);
  for (let upstream = backend.busy.first; upstream !== undefined; ) {
    const { next } = upstream;
    if (upstream.deadlineAt <= now) upstream.expired();
    upstream = next;
  }
}
