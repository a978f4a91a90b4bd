import { join } from 'node:path';
import { HavenError } from '@haven/sdk';
import { PlatformError } from '#base/errors';
import { nodeWorld } from '#world/node/node-world';
import { connect } from '../client.ts';
import type { CommandContext, RunCommand } from '../command.ts';
import { prepareConfig } from '../config/prepare.ts';
import { EXIT, exitCodeOf } from '../exit-codes.ts';
import { addressesOf } from '../home.ts';
import { findSupervisor, startHaven, stopHaven } from '../lifecycle.ts';
import { wholeOption } from '../options.ts';
import { plural, withNext } from '../output.ts';
import { showLive } from './start-live.ts';

const POOL = 'worker';
const DEFAULT_NODES = 3;
const exampleShop = join(import.meta.dirname, '../../../examples/shop');

interface Wanted {
  /** Folder or config file. */
  readonly target: string;
  /** Its name. */
  readonly app: string;
  /** False: it is only the example. */
  readonly isAsked: boolean;
  readonly nodes: number | undefined;
}

export const run: RunCommand = async (context, { args: [named], options }) => {
  const { home, output, signal } = context;
  const world = nodeWorld({ logLevel: 'warn', logName: 'haven' });
  const target = named ?? exampleShop;
  // A mistake in the config is told before anything is started.
  const { app } = await prepareConfig({ args: [target], options: {} });
  const wanted: Wanted = { target, app, isAsked: named !== undefined, nodes: wholeOption(options, 'nodes') };
  await startHaven(world, home, signal);
  try {
    const exitCode = await bringUp(context, wanted);
    if (signal.aborted) return EXIT.ok;
    if (exitCode !== EXIT.ok) output.fail(`Haven stays up, so that you can look: haven why ${wanted.app}`);
    tellAddresses(context);
    await showLive(context, async () => (await findSupervisor(world, home)) !== undefined);
    return exitCode;
  } finally {
    output.progress('Stopping …');
    const startedAt = world.clock.now();
    await stopHaven(world, home);
    const took = ((world.clock.now() - startedAt) / 1_000).toFixed(1);
    output.progress(`Haven is down after ${took} s; its apps come back with the next "haven start" or "haven up"`);
  }
};

/** Pool and app, each as its own command does it; resolves to the exit code that tells how it went. */
async function bringUp(context: CommandContext, wanted: Wanted): Promise<number> {
  const { home, output, signal } = context;
  try {
    const client = await connect(home);
    const [pools, apps] = await Promise.all([client.pools({ signal }), client.apps({ signal })]);
    const parts = partsContext(context);
    const [pool] = pools;
    if (pool && wanted.nodes === undefined) output.progress(`Pool ${pool.name} has ${plural(pool.nodes, 'node')} already`);
    else await (await import('./pool-create.ts')).run(parts, { args: [POOL], options: { nodes: String(wanted.nodes ?? DEFAULT_NODES) } });
    if (!wanted.isAsked && apps.length > 0 && apps.every(({ name }) => name !== wanted.app)) {
      output.progress(
        `Here are ${apps.map(({ name }) => name).join(', ')} already; the example is not deployed next to them. Next: haven deploy examples/shop`,
      );
      return EXIT.ok;
    }
    return await (await import('./deploy.ts')).run(parts, { args: [wanted.target], options: {} });
  } catch (error) {
    if (signal.aborted) return EXIT.interrupted;
    // Whatever the cluster refused is told, and what runs already goes on.
    if (!(error instanceof PlatformError) && !(error instanceof HavenError)) throw error;
    const next = error instanceof HavenError ? error.next : error.details['next'];
    output.fail(`haven: ${withNext(error.message, next)}`);
    return exitCodeOf(error.code);
  }
}

/** Data lines of the parts would mix with the live status, and after Ctrl-C a deploy does not go on: Haven ends. */
function partsContext(context: CommandContext): CommandContext {
  const { output, signal } = context;
  return {
    ...context,
    output: {
      ...output,
      data: (line) => output.progress(line),
      fail: (line) => {
        if (!signal.aborted) output.fail(line);
      },
    },
  };
}

function tellAddresses({ home, output }: CommandContext): void {
  const { api, gateway, gatewayAdmin } = addressesOf(home);
  const urls = {
    apps: `http://${gateway.host}:${gateway.port}`,
    metrics: `http://${gatewayAdmin.host}:${gatewayAdmin.port}/metrics`,
    API: `http://${api.host}:${api.port}`,
  };
  if (output.json) output.record(urls);
  else for (const [what, url] of Object.entries(urls)) output.data(`${what.padEnd(8)} ${url}`);
}
