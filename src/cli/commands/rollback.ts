import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { followDeploy } from '../follow-deploy.ts';
import { durationOption, wholeOption } from '../options.ts';

export const run: RunCommand = async (context, { args: [app = ''], options }) => {
  const { output, home, signal } = context;
  const to = wholeOption(options, 'to', 1);
  const timeoutMs = durationOption(options, 'timeout');
  const client = await connect(home);
  const accepted = await client.rollback(app, to === undefined ? {} : { to }, { signal });
  for (const warning of accepted.warnings) output.warn(warning);
  if (output.json) output.record({ kind: 'accepted', ...accepted });
  else
    output.progress(
      accepted.changed
        ? `Release ${accepted.release} of ${app}, which repeats an earlier one, is accepted`
        : `Nothing to change: ${app} is at release ${accepted.release} already`,
    );
  if (options['wait'] === false) return EXIT.ok;
  return await followDeploy(context, client, { app, release: accepted.release, timeoutMs, changed: accepted.changed });
};
