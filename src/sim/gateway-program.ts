import { hasCode, messageOf } from '#base/errors';
import type { Name } from '#base/name';
import { Wakeup } from '#base/wakeup';
import { RemoteView } from '#control/remote-view';
import type { InstanceId } from '#model/instance';
import { keyOf, PREFIX } from '#model/keys';
import { Mirror } from '#model/mirror';
import type { Backend, BackendReport, GatewayStatus, Route } from '#model/route';
import { type BackendFacts, chooseTier } from '#policy/balance/tiers';
import type { Program } from '#world/simulated/program';
import type { Address, Instant, World } from '#world/world';
import { askApp } from './app-program.ts';

/** As agents do (N1). */
const leaseMs = 10_000;
const marginMs = 500;
/** Workers take a new table within so many ms. */
const applyMs = 20;
/** Reports are at least so far apart. */
const reportMs = 50;
/** The pace of a check that has not just passed. */
const transitionMs = 1_000;
const defaultCheck = { intervalMs: 5_000, timeoutMs: 2_000, rise: 1, fall: 1 };
const requestTimeoutMs = 5_000;
const maxTries = 3;

/** What the simulation sees of its gateways, and no part of the cluster does. */
export interface GatewayObserver {
  /** The gateway sends requests by this table from now on; `undefined` when it ends. */
  onTable(gateway: string, routes: readonly Route[]): void;
  onRequest(gateway: string, outcome: RequestOutcome): void;
}

/** What became of one request of a client. */
export interface RequestOutcome {
  readonly service: string;
  readonly isAnswered: boolean;
  /** Why each try failed that did: a client sees only the last, and only if nobody answered. */
  readonly failedTries: readonly string[];
}

/** How the program is started: `gateway NAME HOST:PORT`. */
export interface GatewayProgramOptions {
  readonly observer: GatewayObserver;
  readonly control: Address;
  readonly token: (gateway: string) => string;
  /** Mean time between two requests of clients for each service; 0 for none. */
  readonly requestEveryMs: number;
}

/** The control side of a gateway: mirrors `/routes/`, checks backends, reports under a lease. Its clients are played by the same program. */
export function gatewayProgram(options: GatewayProgramOptions): Program {
  return async ({ world, signal, arguments: [name = ''] }) => {
    const view = new RemoteView(world, { address: options.control, token: options.token(name), timeoutMs: 3_000 });
    const gateway = new SimulatedGateway(world, { ...options, name: name as Name, view });
    await gateway.run(signal);
  };
}

interface Target extends BackendFacts {
  readonly backend: Backend;
  readonly health: BackendReport['health'];
  readonly transitions: number;
  readonly inFlight: number;
  readonly streak: number;
  readonly reason: string;
}

class SimulatedGateway {
  readonly #world: World;
  readonly #options: GatewayProgramOptions & { readonly name: Name; readonly view: RemoteView };
  readonly #mirror: Mirror<Route>;
  readonly #routesChanged = new Wakeup();
  readonly #reportDue = new Wakeup();
  readonly #targets = new Map<InstanceId, Target>();
  #routes: readonly Route[] = [];
  #appliedRevision = 0;
  #lease: string | undefined;
  /** Of the last report: one that was given up and arrives late must not follow a newer one. `undefined`: to be asked for. */
  #reported: number | undefined;
  #deadline = 0 as Instant;
  #turn = 0;

  constructor(world: World, options: GatewayProgramOptions & { readonly name: Name; readonly view: RemoteView }) {
    this.#world = world;
    this.#options = options;
    this.#mirror = new Mirror<Route>(world, options.view, { prefix: PREFIX.routes, onChange: () => this.#routesChanged.ring() });
  }

  async run(signal: AbortSignal): Promise<void> {
    const tasks = [this.#mirror.run(signal), this.#follow(signal), this.#register(signal), this.#report(signal)];
    if (this.#options.requestEveryMs > 0) tasks.push(this.#clients(signal));
    await Promise.allSettled(tasks);
    this.#options.observer.onTable(this.#options.name, []);
  }

  /** Takes each new table as a whole a moment after it came (L1). */
  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#routesChanged.wait(signal);
      await this.#world.clock.sleep(applyMs * this.#world.random.next(), signal);
      this.#routes = this.#mirror.values();
      this.#appliedRevision = this.#mirror.revision;
      this.#options.observer.onTable(this.#options.name, this.#routes);
      this.#retarget(signal);
      this.#reportDue.ring();
    }
  }

  #retarget(signal: AbortSignal): void {
    const listed = new Set<InstanceId>();
    for (const route of this.#routes) {
      for (const backend of route.backends) {
        listed.add(backend.id);
        const known = this.#targets.get(backend.id);
        const facts = { tier: backend.tier, draining: backend.state === 'draining', backend };
        if (known?.backend.attempt === backend.attempt) {
          this.#targets.set(backend.id, { ...known, ...facts });
          continue;
        }
        // Another attempt is another process: nothing is known of it.
        const fresh: Target = {
          ...facts,
          health: route.check ? 'unknown' : 'passing',
          transitions: (known?.transitions ?? 0) + 1,
          inFlight: known?.inFlight ?? 0,
          ejected: false,
          reachable: true,
          streak: 0,
          reason: '',
        };
        this.#targets.set(backend.id, fresh);
        if (route.check) void this.#check(backend, route.check, signal);
      }
    }
    for (const id of this.#targets.keys()) if (!listed.has(id)) this.#targets.delete(id);
  }

  /** Asks one attempt of one backend again and again, until it is another one or not listed any more. */
  async #check(backend: Backend, check: NonNullable<Route['check']>, signal: AbortSignal): Promise<void> {
    const { rise, fall, timeoutMs, intervalMs } = { ...defaultCheck, ...check };
    const path = check.probe.kind === 'http' ? check.probe.path : '/';
    while (!signal.aborted) {
      const failure = await askApp(this.#world, backend.address, { path, timeoutMs }).then(() => undefined, messageOf);
      const target = this.#targets.get(backend.id);
      if (target?.backend.attempt !== backend.attempt) return;
      const isPass = failure === undefined;
      const streak = (isPass ? Math.max(0, target.streak) + 1 : Math.min(0, target.streak) - 1) | 0;
      const judged = streak >= rise ? 'passing' : -streak >= fall ? 'failing' : target.health;
      const isChange = judged !== target.health;
      const next = { ...target, streak, health: judged, transitions: target.transitions + (isChange ? 1 : 0), reason: failure ?? '', reachable: isPass };
      this.#targets.set(backend.id, next);
      if (isChange) this.#reportDue.ring();
      const isSteady = judged === 'passing' && isPass;
      await this.#world.clock.sleep(isSteady ? intervalMs : Math.min(intervalMs, transitionMs), signal).catch(() => undefined);
    }
  }

  async #register(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#world;
    const { view } = this.#options;
    // A gateway says what it applies only when it has something to apply.
    await this.#mirror.synced;
    while (!signal.aborted) {
      const sentAt = clock.now();
      try {
        if (this.#lease !== undefined && clock.now() < this.#deadline) await view.keepLease(this.#lease, { signal });
        else {
          this.#lease = await view.grantLease(leaseMs, { signal });
          this.#reportDue.ring();
        }
        this.#deadline = (sentAt + leaseMs - marginMs) as Instant;
        await clock.sleep((leaseMs / 3) * (0.9 + 0.2 * random.next()), signal);
      } catch (error) {
        if (hasCode(error, 'LEASE_LOST') || hasCode(error, 'NOT_FOUND')) this.#lease = undefined;
        await clock.sleep(500 + 500 * random.next(), signal).catch(() => undefined);
      }
    }
  }

  async #report(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#world;
    const { view, name } = this.#options;
    while (!signal.aborted) {
      await this.#reportDue.wait(signal);
      await clock.sleep(reportMs, signal);
      const lease = this.#lease;
      if (lease === undefined || this.#appliedRevision === 0) continue;
      try {
        const key = keyOf.gateway(name);
        const expected = this.#reported ?? (await view.list(key, { signal })).items.find((item) => item.key === key)?.modRevision ?? 0;
        this.#reported = undefined;
        this.#reported = await view.write([{ kind: 'put', key, value: JSON.stringify(this.#status()), expected, lease }], { signal });
      } catch (error) {
        if (hasCode(error, 'NOT_FOUND') && this.#lease === lease) this.#lease = undefined;
        log.write('debug', 'report failed', { cause: messageOf(error) });
        await clock.sleep(500, signal).catch(() => undefined);
        this.#reportDue.ring();
      }
    }
  }

  #status(): GatewayStatus {
    const { name } = this.#options;
    const reports = [...this.#targets.values()].map(({ backend, health, transitions, inFlight, reason }): readonly [InstanceId, BackendReport] => [
      backend.id,
      { attempt: backend.attempt, health, transitions, inFlight: backend.state === 'draining' ? inFlight : 0, reason },
    ]);
    return {
      name,
      address: { host: name, port: 7780 },
      adminAddress: { host: name, port: 7781 },
      pid: 1,
      appliedRevision: this.#appliedRevision,
      backends: Object.fromEntries(reports),
    };
  }

  async #clients(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#world;
    while (!signal.aborted) {
      await clock.sleep(this.#options.requestEveryMs * (0.5 + random.next()), signal);
      for (const route of this.#routes) void this.#request(route, random.next() < 0.2 ? '/slow' : '/');
    }
  }

  /** One request of a client, tried at most three times. Nothing is asked of a service that nobody has seen working. */
  async #request(route: Route, path: string): Promise<void> {
    const service = `${route.app}/${route.service}`;
    const tried = new Set<InstanceId>();
    const failedTries: string[] = [];
    for (let tries = 0; tries < maxTries; tries++) {
      const target = this.#pick(route, tried);
      if (!target) break;
      tried.add(target.backend.id);
      this.#inFlight(target.backend.id, 1);
      try {
        await askApp(this.#world, target.backend.address, { path, timeoutMs: requestTimeoutMs });
        this.#options.observer.onRequest(this.#options.name, { service, isAnswered: true, failedTries });
        return;
      } catch (error) {
        failedTries.push(`${target.backend.id}: ${messageOf(error)}`);
      } finally {
        this.#inFlight(target.backend.id, -1);
      }
    }
    if (failedTries.length > 0) this.#options.observer.onRequest(this.#options.name, { service, isAnswered: false, failedTries });
  }

  #pick(route: Route, tried: ReadonlySet<InstanceId>): Target | undefined {
    const targets = route.backends.map(({ id }) => this.#targets.get(id)).filter((target) => target !== undefined && !tried.has(target.backend.id));
    const { from, backends } = chooseTier(targets as Target[]);
    return from === 'primary' || from === 'backup' ? backends[this.#turn++ % backends.length] : undefined;
  }

  #inFlight(id: InstanceId, change: number): void {
    const target = this.#targets.get(id);
    if (!target) return;
    this.#targets.set(id, { ...target, inFlight: target.inFlight + change });
    if (target.backend.state === 'draining') this.#reportDue.ring();
  }
}
