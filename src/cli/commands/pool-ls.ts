import { formatSize } from '#base/bytes';
import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { table } from '../output.ts';

export const run: RunCommand = async ({ output, home, signal }) => {
  const pools = await (await connect(home)).pools({ signal });
  if (output.json) output.record(pools);
  else if (pools.length === 0) output.progress('No pools. Next: haven pool create worker --nodes 3');
  else {
    const rows = pools.map((pool) => [
      pool.name,
      pool.provider,
      `${pool.readyNodes}/${pool.nodes}`,
      pool.resources ? String(pool.resources.cpu) : '-',
      pool.resources ? formatSize(pool.resources.memoryBytes) : '-',
      pool.removing ? 'being removed' : '',
    ]);
    output.data(table(['POOL', 'PROVIDER', '>READY', '>CPU', '>MEMORY', ''], rows));
  }
  return EXIT.ok;
};
