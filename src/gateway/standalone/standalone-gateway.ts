import { mkdir } from 'node:fs/promises';
import { messageOf, PlatformError } from '#base/errors';
import { onAbort } from '#base/signal';
import type { Route } from '#model/route';
import type { Address, World } from '#world/world';
import { type GatewayControls, runGateway } from '../gateway.ts';
import type { Inheritance } from '../inheritance.ts';
import type { PublicListener } from '../public-listeners.ts';
import type { SuccessorCommand } from '../successor.ts';
import { Issuer } from '../tls/acme/issuer.ts';
import { certificatePathIn } from '../tls/authority-folder.ts';
import { InternalCertificates, type Names } from '../tls/internal-certificates.ts';
import { RenewalTimer } from '../tls/renewal-timer.ts';
import type { ServedCertificate } from '../tls/tls-settings.ts';
import { namesIn, withAddresses } from './backend-names.ts';
import { FollowedNames } from './followed-names.ts';
import { lookUpWith } from './look-up.ts';
import { wantedBy, withOrdered } from './ordered-certificates.ts';
import { authorityFolderOf, orderedFolderOf, type StandaloneConfig } from './resolve-config.ts';
import { type SecuredConfig, secureConfig, withIssued } from './secure-config.ts';
import { StandaloneView } from './standalone-view.ts';

export interface StandaloneOptions {
  readonly world: World;
  /** Where it keeps what it has to keep, if the file does not say. */
  readonly state: string;
  /** Reads the file anew and checks it whole. INVALID names every mistake. */
  readonly load: () => Promise<StandaloneConfig>;
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
export async function runStandalone({ world, state, load, onReady, successor, inheritance, signal }: StandaloneOptions): Promise<void> {
  const started = await load();
  const authorityFolder = authorityFolderOf(started, state);
  const internal = new InternalCertificates(world, authorityFolder);
  const issue = async (wanted: readonly Names[]) => await internal.issue(wanted);
  const secure = async (config: StandaloneConfig): Promise<SecuredConfig> => {
    const secured = await secureConfig(config, { now: world.clock.wall(), issue });
    return { ...secured, warnings: [...secured.warnings, ...(await internal.warnings())] };
  };
  const first = await secure(started);
  for (const warning of first.warnings) world.log.write('warn', 'certificate', { warning });
  if (started.accessLog !== undefined) await mkdir(started.accessLog, { recursive: true });
  const view = new StandaloneView();
  let planned: readonly Route[] = [];
  const current = () => withAddresses(planned, names.found);
  using names = new FollowedNames(world, { lookUpWith, before: inheritance?.legacy.names ?? {}, onChange: () => view.replace(current()) });
  /** Nothing can fail here: a name that is not found has no backends yet, or those it had. */
  const follow = async (routes: readonly Route[], { resolver }: StandaloneConfig): Promise<number> => {
    planned = routes;
    names.follow(namesIn(routes), resolver);
    await names.settled();
    return view.replace(current());
  };
  await follow(first.routes, started);
  let controls: GatewayControls | undefined;
  let bound: readonly Address[] = [];
  let inForce: SecuredConfig = first;
  const listen = ({ listeners }: Pick<SecuredConfig, 'listeners'>) => {
    bound = controls?.listen(withOrdered(listeners, issuer)) ?? bound;
  };
  const issuer = new Issuer(world, {
    folder: orderedFolderOf(started, state),
    present: async (challenges) => await controls?.challenge(challenges),
    onChange: () => listen(inForce),
  });
  await issuer.configure(wantedBy(first.listeners));
  let last: Promise<unknown> = Promise.resolve();

  const reloadNow = async (): Promise<Reloaded> => {
    const config = await load();
    const secured = await secure(config);
    await issuer.configure(wantedBy(secured.listeners));
    try {
      // A listener that cannot be had refuses the whole reload; after it nothing can fail.
      listen(secured);
    } catch (error) {
      await issuer.configure(wantedBy(inForce.listeners));
      throw error;
    }
    inForce = secured;
    internal.keepOnly(issuedNamesIn(secured));
    renewals.follow(issuedIn(secured));
    const revision = await follow(secured.routes, config);
    await view.applied(revision, signal);
    const backends = current().reduce((sum, route) => sum + route.backends.length, 0);
    const warnings = [...needsRestart(started, config), ...secured.warnings];
    world.log.write('info', 'config reloaded', { revision, services: config.routes.length, backends, warnings: warnings.join('; ') });
    return { revision, services: config.routes.length, backends, warnings };
  };
  // One after the other, in the order in which they were asked for.
  const inTurn = async <Result>(action: () => Promise<Result>, failure: string): Promise<Result> => {
    const next = last.then(action, action);
    last = next.catch((error: unknown) => world.log.write('error', failure, { cause: messageOf(error) }));
    return await next;
  };
  const renewNow = async (): Promise<readonly ServedCertificate[]> => {
    const listeners = await withIssued(inForce.listeners, issue);
    listen({ listeners });
    inForce = { ...inForce, listeners };
    const issued = issuedIn(inForce);
    world.log.write('info', 'certificates renewed', { certificates: issued.length });
    return issued;
  };
  using renewals = new RenewalTimer(world, async () => await inTurn(renewNow, 'certificates not renewed; the old ones stay, and it is tried again'));
  await using _orders = { [Symbol.asyncDispose]: async () => await issuer.stop() };
  using _ending = onAbort(signal, () => {
    renewals[Symbol.dispose]();
    void issuer.stop();
  });
  const reload = async () => await inTurn(reloadNow, 'config not reloaded; the last good one stays');
  const upgradeNow = async (): Promise<Upgraded> => {
    if (successor === undefined || controls === undefined) throw new PlatformError('UNSUPPORTED', 'Cannot upgrade a gateway that is part of another program');
    // The new process orders from when it serves: one at a time.
    await issuer.stop();
    try {
      const successful = await controls.handOver({ ...successor, names: Object.fromEntries(names.found) });
      // The new process has made its own.
      renewals[Symbol.dispose]();
      return { ...successful, before: process.pid };
    } catch (error) {
      issuer.start();
      throw error;
    }
  };

  const [{ address }] = first.listeners as [PublicListener, ...PublicListener[]];
  await runGateway({
    world,
    view,
    name: started.name,
    address,
    adminAddress: started.admin,
    options: {
      ...(started.workers === undefined ? {} : { workers: started.workers }),
      ...(started.accessLog === undefined ? {} : { accessLogDirectory: started.accessLog }),
      drainMs: started.drainMs,
      preDrainMs: started.preDrainMs,
      reload,
      upgrade: async () => await inTurn(upgradeNow, 'gateway not upgraded; this process goes on'),
      ...(inheritance === undefined ? {} : { inheritance }),
      onStart: (given) => {
        controls = given;
        listen(first);
        renewals.follow(issuedIn(first));
      },
      orders: issuer.orders,
      onReady: ({ adminAddress }) => {
        issuer.start();
        const authority = issuedNamesIn(inForce).length === 0 ? {} : { authority: certificatePathIn(authorityFolder) };
        onReady({ listeners: bound, admin: adminAddress, ...authority }, reload);
      },
    },
    signal,
  });
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
    .map((key) => `"${key === 'drainMs' ? 'drain' : key === 'preDrainMs' ? 'preDrain' : key}" has changed, which takes effect with the next start only`);
}
