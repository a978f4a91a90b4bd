import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { explained } from '../config/issues.ts';
import { prepareConfig } from '../config/prepare.ts';
import { EXIT } from '../exit-codes.ts';
import { renderPlan } from '../plan-view.ts';
import { artifactOf } from '../upload.ts';

export const run: RunCommand = async (context, input) => {
  const { output, home, signal } = context;
  const config = await prepareConfig(input);
  const client = await connect(home);
  // Packed but not sent: what has changed in the files is part of the plan.
  const artifact = await artifactOf(config.loaded.directory, signal);
  const plan = await client
    .plan(config.app, { config: config.value, artifact, ...(config.environment === undefined ? {} : { environment: config.environment }) }, { signal })
    .catch((error: unknown) => {
      throw explained(config.loaded, error);
    });
  for (const warning of new Set([...config.warnings, ...plan.warnings])) output.warn(warning);
  if (output.json) output.record(plan);
  else for (const line of renderPlan(plan)) output.data(line);
  return input.options['exitCode'] === true && plan.change !== 'none' ? EXIT.changes : EXIT.ok;
};
