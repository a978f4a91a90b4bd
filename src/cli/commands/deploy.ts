import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { explained } from '../config/issues.ts';
import { prepareConfig } from '../config/prepare.ts';
import { EXIT } from '../exit-codes.ts';
import { followDeploy } from '../follow-deploy.ts';
import { durationOption, wholeOption } from '../options.ts';
import { upload } from '../upload.ts';

export const run: RunCommand = async (context, input) => {
  const { output, home, signal } = context;
  const { options } = input;
  const timeoutMs = durationOption(options, 'timeout');
  const ifRevision = wholeOption(options, 'ifRevision');
  const config = await prepareConfig(input);
  const client = await connect(home);
  const { app, environment } = config;
  const artifact = await upload(context, client, config.loaded.directory);
  const accepted = await client
    .deploy(
      app,
      {
        config: config.value,
        artifact,
        ...(environment === undefined ? {} : { environment }),
        ...(ifRevision === undefined ? {} : { ifRevision }),
      },
      { signal },
    )
    .catch((error: unknown) => {
      throw explained(config.loaded, error);
    });
  for (const warning of new Set([...config.warnings, ...accepted.warnings])) output.warn(warning);
  if (output.json) output.record({ kind: 'accepted', ...accepted });
  else
    output.progress(
      accepted.changed ? `Release ${accepted.release} of ${app} is accepted` : `Nothing to change: ${app} is at release ${accepted.release} already`,
    );
  if (options['wait'] === false) return EXIT.ok;
  // Even without a change it may still be on its way; once it has ended, following it says so at once.
  return await followDeploy(context, client, { app, release: accepted.release, timeoutMs, changed: accepted.changed });
};
