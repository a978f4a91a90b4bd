import { join } from 'node:path';
import { hasCode } from '#base/errors';
import { nodeWorld } from '#world/node/node-world';
import type { CommandContext, RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { addressesOf } from '../home.ts';
import { startHaven, stopHaven } from '../lifecycle.ts';

const POOL = 'worker';
const DEFAULT_NODES = '3';
/** Without a terminal the whole status is printed again and again: rarely, then. */
const PLAIN_INTERVAL = '15s';
const exampleShop = join(import.meta.dirname, '../../../examples/shop');

export const run: RunCommand = async (context, { args: [app = exampleShop], options }) => {
  const { home, output, signal } = context;
  const world = nodeWorld({ logLevel: 'warn', logName: 'haven' });
  await startHaven(world, home, signal);
  try {
    const exitCode = await showApp(context, { app, nodes: String(options['nodes'] ?? DEFAULT_NODES) });
    if (exitCode !== EXIT.ok) output.progress('Ctrl-C stops Haven');
    const { run: status } = await import('./status.ts');
    await status(context, { args: [], options: { watch: true, ...(output.interactive ? {} : { interval: PLAIN_INTERVAL }) } });
    return exitCode;
  } catch (error) {
    if (hasCode(error, 'ABORTED') || signal.aborted) return EXIT.ok;
    throw error;
  } finally {
    output.progress('Stopping …');
    const startedAt = world.clock.now();
    await stopHaven(world, home);
    output.progress(
      `Haven is down after ${((world.clock.now() - startedAt) / 1_000).toFixed(1)} s; its apps come back with the next "haven start" or "haven up"`,
    );
  }
};

/** Pool and app, each as its own command does it. */
async function showApp(context: CommandContext, wanted: { readonly app: string; readonly nodes: string }): Promise<number> {
  const { home, output } = context;
  const { gateway, gatewayAdmin, api } = addressesOf(home);
  const [{ run: createPool }, { run: deploy }] = await Promise.all([import('./pool-create.ts'), import('./deploy.ts')]);
  // Data lines of the parts would mix with the live status.
  const quiet: CommandContext = { ...context, output: { ...output, data: (line) => output.progress(line) } };
  await createPool(quiet, { args: [POOL], options: { nodes: wanted.nodes } });
  const exitCode = await deploy(quiet, { args: [wanted.app], options: {} });
  for (const [what, { host, port }] of Object.entries({ apps: gateway, metrics: gatewayAdmin, API: api }))
    output.data(`${what.padEnd(8)} http://${host}:${port}${what === 'metrics' ? '/metrics' : ''}`);
  return exitCode;
}
