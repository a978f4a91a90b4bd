import { PlatformError } from '#base/errors';
import { onAbort } from '#base/signal';
import type { Address, World } from '#world/world';
import { runGateway } from '../gateway.ts';
import type { GatewayConfig, GatewayControls } from '../gateway-config.ts';
import type { Inheritance } from '../inheritance.ts';
import type { PublicListener } from '../public-listeners.ts';
import type { SuccessorCommand } from '../successor.ts';
import { Issuer } from '../tls/acme/issuer.ts';
import { certificatePathIn } from '../tls/authority-folder.ts';
import { InternalCertificates, type Names } from '../tls/internal-certificates.ts';
import { RenewalTimer } from '../tls/renewal-timer.ts';
import type { ServedCertificate } from '../tls/tls-settings.ts';
import { FollowedRoutes } from './followed-routes.ts';
import { accessLogFolder, makeFolder, orderedFolder } from './kept-folders.ts';
import { wantedBy, withOrdered } from './ordered-certificates.ts';
import { authorityFolderOf, orderedFolderOf, type StandaloneConfig } from './resolve-config.ts';
import { type SecuredConfig, secureConfig, withIssued } from './secure-config.ts';
import { Turns } from './turns.ts';

export interface StandaloneOptions {
  readonly world: World;
  /** Where it keeps what it has to keep, if the file does not say. */
  readonly state: string;
  /** Reads the file anew and checks it whole. INVALID names every mistake. */
  readonly load: () => Promise<StandaloneConfig>;
  /** Says of an error with `issues` where in the file they are; absent: their keys are enough. */
  readonly explained?: (error: unknown) => unknown;
  /** Called once when clients are served. */
  readonly onReady: (facts: ReadyFacts, reload: () => Promise<Reloaded>) => void;
  /** What starts a process that can take over from this one; absent: there is none. */
  readonly successor?: SuccessorCommand & { readonly secret: string };
  /** What the process that served before this one left. */
  readonly inheritance?: Inheritance;
  /** Aborting drains and stops it. */
  readonly signal: AbortSignal;
}

export interface ReadyFacts {
  readonly listeners: readonly Address[];
  readonly admin: Address;
  /** The path of the certificate that clients have to trust, if there are certificates of the gateway's own authority. */
  readonly authority?: string;
}

/** What a reload did. */
export interface Reloaded {
  readonly revision: number;
  readonly services: number;
  readonly backends: number;
  /** What only a restart can change, and what is wrong with certificates; sentences without a full stop. */
  readonly warnings: readonly string[];
}

/** What an upgrade did: which process serves now, and which one ends what it has in flight. */
export interface Upgraded {
  readonly pid: number;
  readonly before: number;
}

/**
 * Runs a gateway whose routes come from a file: the same parent, workers and data plane as in a cluster, only what it watches differs. Resolves when it has drained
 * after the signal aborts. INVALID if the file is wrong at the start; later the last good one stays in force.
 */
export async function runStandalone(options: StandaloneOptions): Promise<void> {
  const { world, state, load, explained } = options;
  const config = await load();
  const internal = new InternalCertificates(world, authorityFolderOf(config, state));
  const secured = await secure(config, { world, internal, ordered: orderedFolderOf(config, state), explained });
  for (const warning of secured.warnings) world.log.write('warn', 'certificate', { warning });
  if (config.accessLog !== undefined) await makeFolder(accessLogFolder(config.accessLog));
  await new StandaloneGateway(options, { config, secured, internal }).run();
}

/**
 * Puts in force what the file says, now and at each reload, has certificates issued and renewed, and hands over to a successor.
 *
 * S1: reloads, renewals and upgrades come one after the other. S2: one that fails changes nothing.
 */
class StandaloneGateway {
  readonly #options: StandaloneOptions;
  /** What it was started with; some of it only a restart can change. */
  readonly #started: StandaloneConfig;
  readonly #internal: InternalCertificates;
  readonly #routes: FollowedRoutes;
  readonly #issuer: Issuer;
  readonly #renewals: RenewalTimer;
  readonly #turns: Turns;
  #inForce: SecuredConfig;
  #controls: GatewayControls | undefined;
  #bound: readonly Address[] = [];

  constructor(
    options: StandaloneOptions,
    first: { readonly config: StandaloneConfig; readonly secured: SecuredConfig; readonly internal: InternalCertificates },
  ) {
    const { world, state, inheritance } = options;
    this.#options = options;
    this.#started = first.config;
    this.#inForce = first.secured;
    this.#internal = first.internal;
    this.#turns = new Turns(world.log);
    this.#routes = new FollowedRoutes(world, inheritance?.legacy.names ?? {});
    this.#issuer = new Issuer(world, {
      folder: orderedFolderOf(first.config, state),
      present: async (challenges) => await this.#controls?.challenge(challenges),
      onChange: () => this.#listen(this.#inForce),
    });
    this.#renewals = new RenewalTimer(world, async () => await this.#renew());
  }

  /** Resolves when it has drained. */
  async run(): Promise<void> {
    const { listeners, routes } = this.#inForce;
    using _names = this.#routes;
    await this.#routes.follow(routes, this.#started.resolver);
    await this.#issuer.configure(wantedBy(listeners));
    using _renewals = this.#renewals;
    await using _orders = { [Symbol.asyncDispose]: async () => await this.#issuer.stop() };
    using _ending = onAbort(this.#options.signal, () => {
      this.#renewals[Symbol.dispose]();
      void this.#issuer.stop();
    });
    await runGateway(this.#gatewayConfig());
  }

  #gatewayConfig(): GatewayConfig {
    const { world, inheritance, signal } = this.#options;
    const { name, admin, workers, accessLog, drainMs, preDrainMs } = this.#started;
    const [{ address }] = this.#inForce.listeners as [PublicListener, ...PublicListener[]];
    return {
      world,
      view: this.#routes.view,
      name,
      address,
      adminAddress: admin,
      options: {
        ...(workers === undefined ? {} : { workers }),
        ...(accessLog === undefined ? {} : { accessLogDirectory: accessLog }),
        ...(inheritance === undefined ? {} : { inheritance }),
        drainMs,
        preDrainMs,
        orders: this.#issuer.orders,
        onStart: (controls) => this.#onStart(controls),
        onReady: ({ adminAddress }) => this.#onReady(adminAddress),
        reload: async () => await this.#reload(),
        upgrade: async () => await this.#upgrade(),
      },
      signal,
    };
  }

  #onStart(controls: GatewayControls): void {
    this.#controls = controls;
    this.#listen(this.#inForce);
    this.#renewals.follow(issuedIn(this.#inForce));
  }

  #onReady(admin: Address): void {
    const { state, onReady } = this.#options;
    this.#issuer.start();
    const hasAuthority = issuedNamesIn(this.#inForce).length > 0;
    const authority = hasAuthority ? { authority: certificatePathIn(authorityFolderOf(this.#started, state)) } : {};
    onReady({ listeners: this.#bound, admin, ...authority }, async () => await this.#reload());
  }

  async #reload(): Promise<Reloaded> {
    return await this.#turns.take(async () => await this.#reloadNow(), 'config not reloaded; the last good one stays');
  }

  async #reloadNow(): Promise<Reloaded> {
    const { world, state, load, explained, signal } = this.#options;
    const config = await load();
    const ordered = orderedFolderOf(this.#started, state);
    const secured = await secure(config, { world, internal: this.#internal, ordered, explained });
    await this.#replaceListeners(secured);
    // From here on nothing can fail.
    this.#internal.keepOnly(issuedNamesIn(secured));
    this.#renewals.follow(issuedIn(secured));
    const revision = await this.#routes.follow(secured.routes, config.resolver);
    await this.#routes.applied(revision, signal);
    const facts = { revision, services: config.routes.length, backends: this.#routes.backends };
    const warnings = [...needsRestart(this.#started, config), ...secured.warnings];
    world.log.write('info', 'config reloaded', { ...facts, warnings: warnings.join('; ') });
    return { ...facts, warnings };
  }

  /** A listener that cannot be had refuses the whole config (S2). */
  async #replaceListeners(secured: SecuredConfig): Promise<void> {
    await this.#issuer.configure(wantedBy(secured.listeners));
    try {
      this.#listen(secured);
    } catch (error) {
      await this.#issuer.configure(wantedBy(this.#inForce.listeners));
      throw error;
    }
    this.#inForce = secured;
  }

  /** Listens with the certificates that are there by now. */
  #listen({ listeners }: Pick<SecuredConfig, 'listeners'>): void {
    this.#bound = this.#controls?.listen(withOrdered(listeners, this.#issuer)) ?? this.#bound;
  }

  async #renew(): Promise<readonly ServedCertificate[]> {
    return await this.#turns.take(async () => await this.#renewNow(), 'certificates not renewed; the old ones stay, and it is tried again');
  }

  async #renewNow(): Promise<readonly ServedCertificate[]> {
    const listeners = await withIssued(this.#inForce.listeners, async (wanted) => await this.#internal.issue(wanted));
    this.#listen({ listeners });
    this.#inForce = { ...this.#inForce, listeners };
    const issued = issuedIn(this.#inForce);
    this.#options.world.log.write('info', 'certificates renewed', { certificates: issued.length });
    return issued;
  }

  async #upgrade(): Promise<Upgraded> {
    return await this.#turns.take(async () => await this.#upgradeNow(), 'gateway not upgraded; this process goes on');
  }

  async #upgradeNow(): Promise<Upgraded> {
    const { successor } = this.#options;
    const controls = this.#controls;
    if (successor === undefined || controls === undefined) throw new PlatformError('UNSUPPORTED', 'Cannot upgrade a gateway that is part of another program');
    // The new process orders from when it serves: one at a time.
    await this.#issuer.stop();
    try {
      const successful = await controls.handOver({ ...successor, names: Object.fromEntries(this.#routes.names) });
      // The new process has made its own.
      this.#renewals[Symbol.dispose]();
      return { ...successful, before: process.pid };
    } catch (error) {
      this.#issuer.start();
      throw error;
    }
  }
}

async function secure(
  config: StandaloneConfig,
  how: { readonly world: World; readonly internal: InternalCertificates; readonly ordered: string; readonly explained: StandaloneOptions['explained'] },
): Promise<SecuredConfig> {
  const { world, internal, ordered, explained = (error) => error } = how;
  const issue = async (wanted: readonly Names[]) => await internal.issue(wanted);
  const secured = await secureConfig(config, { now: world.clock.wall(), issue }).catch((error: unknown) => {
    throw explained(error);
  });
  const folder = orderedFolder(secured.listeners, ordered);
  if (folder !== undefined) await makeFolder(folder);
  return { ...secured, warnings: [...secured.warnings, ...(await internal.warnings())] };
}

function issuedIn({ listeners }: SecuredConfig): readonly ServedCertificate[] {
  return listeners.flatMap(({ settings, internal }) => (internal === undefined ? [] : (settings?.tls?.certificates ?? [])));
}

function issuedNamesIn({ listeners }: SecuredConfig): readonly Names[] {
  return listeners.flatMap(({ internal }) => internal ?? []);
}

function needsRestart(started: StandaloneConfig, config: StandaloneConfig): readonly string[] {
  return (['name', 'admin', 'workers', 'accessLog', 'state', 'drainMs', 'preDrainMs'] as const)
    .filter((key) => JSON.stringify(started[key]) !== JSON.stringify(config[key]))
    .map(
      (key) => `"${key === 'drainMs' ? 'drain' : key === 'preDrainMs' ? 'preDrain' : key}" has changed, which takes effect with the next start or upgrade only`,
    );
}
