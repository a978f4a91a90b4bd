import { accessLogFolder, lookAtFolder, orderedFolder } from '#gateway/standalone/kept-folders';
import { orderedFolderOf } from '#gateway/standalone/resolve-config';
import { secureConfig } from '#gateway/standalone/secure-config';
import type { UnixMs } from '#world/world';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { authorityOf } from '../gateway/authority-view.ts';
import { GatewayFile } from '../gateway/gateway-file.ts';
import { gatewayStateOf } from '../home.ts';
import { plural } from '../output.ts';

export const run: RunCommand = async ({ output }, { args: [path = ''] }) => {
  const file = new GatewayFile(path, { secret: '' });
  const config = await file.load();
  const now = Date.now() as UnixMs;
  const state = gatewayStateOf(process.env);
  const authority = await authorityOf(config, { state, now });
  // Nothing is issued for a look at it.
  const secured = await secureConfig(config, { now, issue: async () => [] }).catch((error: unknown) => {
    throw file.explained(error);
  });
  const folders = [
    orderedFolder(secured.listeners, orderedFolderOf(config, state)),
    config.accessLog === undefined ? undefined : accessLogFolder(config.accessLog),
  ].filter((folder) => folder !== undefined);
  const unwritable = (await Promise.all(folders.map(lookAtFolder))).filter((warning) => warning !== undefined);
  const warnings = [...secured.warnings, ...(authority?.warnings ?? []), ...unwritable];
  for (const warning of warnings) output.warn(warning);
  const backends = config.routes.reduce((sum, route) => sum + route.backends.length, 0);
  const matches = config.routes.reduce((sum, route) => sum + route.matches.length, 0);
  if (output.json)
    output.record({
      valid: true,
      listeners: config.listeners.length,
      routes: matches,
      services: config.routes.length,
      backends,
      ...(authority === undefined ? {} : { authority: authority.facts }),
      ...(warnings.length > 0 ? { warnings } : {}),
    });
  else {
    output.data(
      `${path} is valid: ${plural(config.listeners.length, 'listener')}, ${plural(matches, 'route')}, ${plural(config.routes.length, 'service')}, ${plural(backends, 'backend')}`,
    );
    if (authority !== undefined) output.data(authority.text);
  }
  return EXIT.ok;
};
