import { randomBytes } from 'node:crypto';
import { messageOf } from '#base/errors';
import { inherit } from '#gateway/inheritance';
import { formatAddress } from '#gateway/standalone/config-values';
import { runStandalone } from '#gateway/standalone/standalone-gateway';
import { nodeWorld } from '#world/node/node-world';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { loadGatewayFile, withFlags } from '../gateway/gateway-file.ts';
import { notifyServiceManager } from '../gateway/service-manager.ts';

const SECRET_BYTES = 32;

export const run: RunCommand = async ({ output, signal }, { args: [path = ''], options }) => {
  const world = nodeWorld({ logLevel: 'info', logName: 'gateway' });
  const inheritance = await inherit(world, process);
  // Without a secret in the file, sticky cookies last as long as this process and those that take over from it.
  const secret = inheritance?.legacy.secret ?? randomBytes(SECRET_BYTES).toString('hex');
  const load = async () => withFlags(await loadGatewayFile(path, { secret }), options);
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
      load,
      // The same command again: what is at its place by then is the new version.
      successor: { command: process.execPath, args: [...process.execArgv, ...process.argv.slice(1)], secret },
      ...(inheritance === undefined ? {} : { inheritance }),
      onReady: ({ listeners, admin }, reloadNow) => {
        reload = reloadNow;
        void notifyServiceManager(process.env, process.pid);
        const addresses = listeners.map(formatAddress);
        if (output.json) output.record({ listeners: addresses, admin: formatAddress(admin), pid: process.pid });
        else
          output.progress(
            `Serving on ${addresses.join(', ')}; metrics and live state on ${formatAddress(admin)}. Reload with "haven gateway reload" or SIGHUP, stop with Ctrl-C`,
          );
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
