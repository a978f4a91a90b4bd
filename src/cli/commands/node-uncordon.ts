import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { reportNodes } from '../report-nodes.ts';

export const run: RunCommand = async (context, { args }) => {
  const client = await connect(context.home);
  for (const node of args) await client.uncordonNode(node, { signal: context.signal });
  await reportNodes(context, client, { names: args, said: (node) => `${node} takes instances again` });
  return EXIT.ok;
};
