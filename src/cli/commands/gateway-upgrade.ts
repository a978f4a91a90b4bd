import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { upgradeGateway } from '../gateway/admin-client.ts';
import { adminOf } from '../gateway/gateway-file.ts';

export const run: RunCommand = async ({ output, signal }, { options }) => {
  const upgraded = await upgradeGateway(adminOf(options), signal);
  if (output.json) output.record(upgraded);
  else output.data(`Upgraded: process ${upgraded.pid} serves; process ${upgraded.before} ends what it has in flight`);
  return EXIT.ok;
};
