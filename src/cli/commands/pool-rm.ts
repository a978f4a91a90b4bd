import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { confirm } from '../confirm.ts';
import { EXIT } from '../exit-codes.ts';
import { formatTook, plural } from '../output.ts';
import { poll, timeIsUp } from '../polling.ts';

const GONE_WITHIN_MS = 16 * 60_000;

export const run: RunCommand = async ({ output, home, signal }, { args: [pool = ''], options }) => {
  const client = await connect(home);
  const nodes = (await client.nodes({ signal })).filter((node) => node.pool === pool);
  const instances = nodes.reduce((sum, node) => sum + node.instances, 0);
  await confirm(`Remove pool ${pool} with ${plural(nodes.length, 'node')} and move or stop ${plural(instances, 'instance')}?`, { options, signal });
  await client.removePool(pool, { signal });
  if (options['wait'] !== false) {
    output.progress(`Draining ${plural(nodes.length, 'node')} of ${pool}; Ctrl-C does not stop it`);
    const gone = await poll(async () => ((await client.pools({ signal })).some((view) => view.name === pool) ? undefined : true), {
      timeoutMs: GONE_WITHIN_MS,
      signal,
    });
    if (!gone.done) throw timeIsUp(`Pool ${pool} is still being removed after ${formatTook(GONE_WITHIN_MS)}; it goes on. Next: haven node ls`);
  }
  if (output.json) output.record({ pool, removed: options['wait'] !== false });
  else output.progress(options['wait'] === false ? `Pool ${pool} is being removed` : `Pool ${pool} is removed`);
  return EXIT.ok;
};
