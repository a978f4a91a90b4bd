import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { reportNodes } from '../report-nodes.ts';

export const run: RunCommand = async (context, { args }) => {
  const client = await connect(context.home);
  for (const node of args) await client.undrainNode(node, { signal: context.signal });
  await reportNodes(context, client, { names: args, said: (node) => `${node} is drained no more and takes instances again; what has moved stays where it is` });
  return EXIT.ok;
};
