import { join } from 'node:path';
import { toBytes } from '#base/bytes';
import type { Name } from '#base/name';
import { agentApiToken, mintToken, openClusterKey } from '#control/api/tokens';
import { RemoteView } from '#control/remote-view';
import { writeFileAtomic } from '#world/files';
import type { World } from '#world/world';
import { addressesOf, type Home, pathsOf } from '../home.ts';
import { writeNodeFile } from '../processes/node-file.ts';
import { endAll } from './end-all.ts';
import { Keeper } from './keeper.ts';
import { LocalProvider } from './local-provider.ts';
import { spawnSpec } from './spawn-spec.ts';

export const GATEWAY_NAME = 'gateway-1' as Name;
/** Workers whose parent is gone hold no port, and end what they have in less. */
const GATEWAY_LEFTOVERS_MS = 12_000;

/**
 * Keeps the parts of Haven on this machine running until the signal aborts, then ends all of them within 5 s.
 */
export async function supervise(options: { readonly world: World; readonly home: Home; readonly signal: AbortSignal }): Promise<void> {
  const { world, home, signal } = options;
  const paths = pathsOf(home);
  const addresses = addressesOf(home);
  for (const directory of [home.directory, paths.run, paths.logs, paths.gateway(GATEWAY_NAME)]) await world.disk.makeDirectory(directory);
  const clusterKey = await openClusterKey(world, paths.clusterKey);

  const control = new Keeper(world, {
    name: 'control',
    runDirectory: paths.run,
    spec: spawnSpec(home, { entry: 'control.main.ts', name: 'control', args: [] }),
  });
  const gateway = new Keeper(world, {
    name: 'gateway',
    runDirectory: paths.run,
    spec: spawnSpec(home, { entry: 'gateway.main.ts', name: 'gateway', args: [GATEWAY_NAME] }),
    leftoversMs: GATEWAY_LEFTOVERS_MS,
  });
  await writeToken(world, join(paths.gateway(GATEWAY_NAME), 'token'), mintToken(clusterKey, { kind: 'gateway', name: GATEWAY_NAME }));
  await writeToken(world, paths.token, mintToken(clusterKey, { kind: 'admin' }));

  const provider = new LocalProvider(world, {
    home,
    view: new RemoteView(world, { address: addresses.api, token: mintToken(clusterKey, { kind: 'admin' }) }),
    admit: async (node) => {
      const directory = paths.node(node.name);
      await writeNodeFile(world.disk, directory, node);
      await writeToken(world, join(directory, 'token'), mintToken(clusterKey, { kind: 'node', name: node.name }));
      await writeToken(world, join(directory, 'api-token'), agentApiToken(clusterKey, node.name));
    },
  });

  await Promise.all([control.run(signal), gateway.run(signal), provider.run(signal)]);
  await endAll(world, home);
}

async function writeToken(world: World, path: string, token: string): Promise<void> {
  await writeFileAtomic(world.disk, path, toBytes(`${token}\n`));
}
