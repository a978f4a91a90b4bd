import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { confirm } from '../confirm.ts';
import { EXIT } from '../exit-codes.ts';
import { formatTook } from '../output.ts';
import { poll, timeIsUp } from '../polling.ts';

const GONE_WITHIN_MS = 5 * 60_000;

export const run: RunCommand = async ({ output, home, signal }, { args: [app = ''], options }) => {
  const client = await connect(home);
  await confirm(`Stop and remove ${app} with all its instances and releases?`, { options, signal });
  await client.removeApp(app, { signal });
  if (options['wait'] !== false) {
    output.progress(`Removing ${app}; Ctrl-C does not stop it`);
    const gone = await poll(async () => ((await client.status({ signal })).apps.some((view) => view.name === app) ? undefined : true), {
      timeoutMs: GONE_WITHIN_MS,
      signal,
    });
    if (!gone.done) throw timeIsUp(`${app} is still being removed after ${formatTook(GONE_WITHIN_MS)}; it goes on`, { next: `haven why ${app}` });
  }
  if (output.json) output.record({ app, removed: options['wait'] !== false });
  else output.progress(options['wait'] === false ? `${app} is being removed` : `${app} is removed`);
  return EXIT.ok;
};
