import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { table } from '../output.ts';
import { NODE_HEAD, nodeRow } from '../status-view.ts';

export const run: RunCommand = async ({ output, home, signal }) => {
  const nodes = await (await connect(home)).nodes({ signal });
  if (output.json) output.record(nodes);
  else if (nodes.length === 0) output.progress('No nodes. Next: haven pool create worker --nodes 3');
  else output.data(table(NODE_HEAD, nodes.map(nodeRow)));
  return EXIT.ok;
};
