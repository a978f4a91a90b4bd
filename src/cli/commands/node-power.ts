import type { NodeView } from '@haven/sdk';
import { PlatformError } from '#base/errors';
import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { poll, timeIsUp } from '../polling.ts';
import { reportNodes } from '../report-nodes.ts';

const READY_WITHIN_MS = 30_000;

export const run: RunCommand = async (context, { args: [node = '', state = ''] }) => {
  if (state !== 'on' && state !== 'off') throw new PlatformError('INVALID', `Cannot set the power of ${node} to "${state}". Next: say on or off`);
  const { home, signal } = context;
  const client = await connect(home);
  const find = async () => (await client.nodes({ signal })).find((view) => view.name === node);
  const before = await find();
  await client.powerNode(node, { power: state }, { signal });
  if (state === 'on') {
    // The lease of the agent that was switched off may still hold: only another agent, at another address, is the new one.
    const isNew = (view: NodeView) => before?.power !== 'off' || view.address?.port !== before.address?.port;
    const ready = await poll(
      async () => {
        const view = await find();
        return view && view.condition === 'ready' && isNew(view) ? true : undefined;
      },
      { timeoutMs: READY_WITHIN_MS, signal },
    );
    if (!ready.done) throw timeIsUp(`${node} is on but not ready yet. Next: haven why ${node}`);
  }
  await reportNodes(context, client, {
    names: [node],
    said: () =>
      state === 'on' ? `${node} is on and ready` : `${node} is off: its instances have ended and get replacements elsewhere once its lease has ended`,
  });
  return EXIT.ok;
};
