import { nodeWorld } from '#world/node/node-world';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { addressesOf, pathsOf } from '../home.ts';
import { startHaven, stopHaven } from '../lifecycle.ts';

export const run: RunCommand = async ({ home, output, signal }, { options }) => {
  const world = nodeWorld({ logLevel: 'warn', logName: 'haven' });
  const startedAt = world.clock.now();
  await startHaven(world, home, signal);
  const tookMs = Math.round(world.clock.now() - startedAt);
  const { api, gateway } = addressesOf(home);
  const urls = { api: `http://${api.host}:${api.port}`, gateway: `http://${gateway.host}:${gateway.port}` };
  output.progress(`Haven is up after ${(tookMs / 1_000).toFixed(1)} s. Next: "haven pool create worker --nodes 3", then "haven deploy"`);
  if (output.json) output.record({ ...urls, home: home.directory, token: pathsOf(home).token, tookMs });
  else output.data(`API      ${urls.api}\ngateway  ${urls.gateway}\ntoken    ${pathsOf(home).token}`);
  if (options['foreground'] !== true) return EXIT.ok;

  const interrupted = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => interrupted.resolve(), { once: true });
  output.progress('Ctrl-C stops everything');
  const keepAlive = setInterval(() => {}, 60_000);
  await interrupted.promise;
  clearInterval(keepAlive);
  await stopHaven(world, home);
  output.progress('Haven is down');
  return EXIT.ok;
};
