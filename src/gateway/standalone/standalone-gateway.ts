import { mkdir } from 'node:fs/promises';
import { messageOf, PlatformError } from '#base/errors';
import type { Route } from '#model/route';
import type { Address, World } from '#world/world';
import { type GatewayControls, runGateway } from '../gateway.ts';
import type { Inheritance } from '../inheritance.ts';
import type { PublicListener } from '../public-listeners.ts';
import type { SuccessorCommand } from '../successor.ts';
import { namesIn, withAddresses } from './backend-names.ts';
import { FollowedNames } from './followed-names.ts';
import { lookUpWith } from './look-up.ts';
import type { StandaloneConfig } from './resolve-config.ts';
import { secureConfig } from './secure-config.ts';
import { StandaloneView } from './standalone-view.ts';

export interface StandaloneOptions {
  readonly world: World;
  /** Reads the file anew and checks it whole. INVALID names every mistake. */
  readonly load: () => Promise<StandaloneConfig>;
  /** Called once when clients are served. */
  readonly onReady: (addresses: { readonly listeners: readonly Address[]; readonly admin: Address }, reload: () => Promise<Reloaded>) => void;
  /** What starts a process that can take over from this one; absent: there is none. */
  readonly successor?: SuccessorCommand & { readonly secret: string };
  /** What the process that served before this one left. */
  readonly inheritance?: Inheritance;
  /** Aborting drains and stops it. */
  readonly signal: AbortSignal;
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
export async function runStandalone({ world, load, onReady, successor, inheritance, signal }: StandaloneOptions): Promise<void> {
  const started = await load();
  const first = await secureConfig(started, world.clock.wall());
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
  let last: Promise<unknown> = Promise.resolve();

  const reloadNow = async (): Promise<Reloaded> => {
    const config = await load();
    const secured = await secureConfig(config, world.clock.wall());
    // A listener that cannot be had refuses the whole reload; after it nothing can fail.
    bound = controls?.listen(secured.listeners) ?? bound;
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
  const reload = async () => await inTurn(reloadNow, 'config not reloaded; the last good one stays');
  const upgradeNow = async (): Promise<Upgraded> => {
    if (successor === undefined || controls === undefined) throw new PlatformError('UNSUPPORTED', 'Cannot upgrade a gateway that is part of another program');
    return { ...(await controls.handOver({ ...successor, names: Object.fromEntries(names.found) })), before: process.pid };
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
        bound = given.listen(first.listeners);
      },
      onReady: ({ adminAddress }) => onReady({ listeners: bound, admin: adminAddress }, reload),
    },
    signal,
  });
}

function needsRestart(started: StandaloneConfig, config: StandaloneConfig): readonly string[] {
  return (['name', 'admin', 'workers', 'accessLog', 'drainMs', 'preDrainMs'] as const)
    .filter((key) => JSON.stringify(started[key]) !== JSON.stringify(config[key]))
    .map((key) => `"${key === 'drainMs' ? 'drain' : key === 'preDrainMs' ? 'preDrain' : key}" has changed, which takes effect with the next start only`);
}
