import { nodeWorld } from '#world/node/node-world';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { stopHaven } from '../lifecycle.ts';

export const run: RunCommand = async ({ home, output }) => {
  const world = nodeWorld({ logLevel: 'warn', logName: 'haven' });
  const wasRunning = await stopHaven(world, home);
  if (output.json) output.record({ stopped: wasRunning });
  else output.progress(wasRunning ? 'Haven is down; its apps come back with "haven up"' : 'Haven was not running');
  return EXIT.ok;
};
