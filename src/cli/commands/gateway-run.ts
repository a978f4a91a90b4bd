import { randomBytes } from 'node:crypto';
import { messageOf } from '#base/errors';
import { formatAddress } from '#base/host-port';
import { inherit } from '#gateway/inheritance';
import { runStandalone } from '#gateway/standalone/standalone-gateway';
import { nodeWorld } from '#world/node/node-world';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { endOnUncaught } from '../gateway/end-on-uncaught.ts';
import { GatewayFile, withFlags } from '../gateway/gateway-file.ts';
import { notifyServiceManager } from '../gateway/service-manager.ts';
import { gatewayStateOf } from '../home.ts';

const SECRET_BYTES = 32;

export const run: RunCommand = async ({ output, signal }, { args: [path = ''], options }) => {
  const world = nodeWorld({ logLevel: 'info', logName: 'gateway' });
  endOnUncaught(process, world.log);
  const inheritance = await inherit(world, process);
  // Without a secret in the file, sticky cookies last as long as this process and those that take over from it.
  const secret = inheritance?.legacy.secret ?? randomBytes(SECRET_BYTES).toString('hex');
  const state = gatewayStateOf(process.env);
  const file = new GatewayFile(path, { secret });
  const load = async () => withFlags(await file.load(), options);
  let reload = async (): Promise<unknown> => undefined;
  const onHangUp = () => {
    // What was wrong is in the log.
    reload().catch(() => undefined);
  };
  // For a server a hang-up means "read the config anew", not the end that it is for other commands.
  process.removeAllListeners('SIGHUP');
  process.on('SIGHUP', onHangUp);
  try {
    await runStandalone({
      world,
      state,
      load,
      explained: (error) => file.explained(error),
      // The same command again: what is at its place by then is the new version.
      successor: { command: process.execPath, args: [...process.execArgv, ...process.argv.slice(1)], secret },
      ...(inheritance === undefined ? {} : { inheritance }),
      onReady: ({ listeners, admin, authority }, reloadNow) => {
        reload = reloadNow;
        void notifyServiceManager(process.env, process.pid);
        const addresses = listeners.map(formatAddress);
        if (output.json)
          output.record({ listeners: addresses, admin: formatAddress(admin), pid: process.pid, ...(authority === undefined ? {} : { authority }) });
        else
          output.progress(
            `Serving on ${addresses.join(', ')}; metrics and live state on ${formatAddress(admin)}. Reload with "haven gateway reload" or SIGHUP, stop with Ctrl-C`,
          );
        if (authority !== undefined) output.progress(`Certificates come from the gateway's own authority, which clients have to trust: ${authority}`);
      },
      signal,
    });
  } catch (error) {
    inheritance?.failed(messageOf(error));
    throw error;
  } finally {
    process.off('SIGHUP', onHangUp);
  }
  return EXIT.ok;
};
