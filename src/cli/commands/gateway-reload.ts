import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { reloadGateway } from '../gateway/admin-client.ts';
import { adminOf } from '../gateway/gateway-file.ts';
import { plural } from '../output.ts';

export const run: RunCommand = async ({ output, signal }, { options }) => {
  const reloaded = await reloadGateway(adminOf(options), signal);
  for (const warning of reloaded.warnings) output.warn(warning);
  if (output.json) output.record(reloaded);
  else output.data(`Reloaded: ${plural(reloaded.services, 'service')} with ${plural(reloaded.backends, 'backend')} in force in every worker`);
  return EXIT.ok;
};
