import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { textOption } from '../options.ts';
import { reportNodes } from '../report-nodes.ts';

export const run: RunCommand = async (context, { args, options }) => {
  const client = await connect(context.home);
  const reason = textOption(options, 'reason');
  for (const node of args) await client.cordonNode(node, reason === undefined ? {} : { reason }, { signal: context.signal });
  await reportNodes(context, client, { names: args, said: (node) => `${node} takes no new instances. Next: haven node uncordon ${node}` });
  return EXIT.ok;
};
