import type { HavenClient } from '@haven/sdk';
import { connect } from '../client.ts';
import type { CommandContext, RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { durationOption, textOption } from '../options.ts';
import { formatTook, plural, printable } from '../output.ts';
import { poll, timeIsUp } from '../polling.ts';
import { reportNodes } from '../report-nodes.ts';

const DEFAULT_DEADLINE_MS = 15 * 60_000;
/** The deadline bounds all of it, but the end has to be seen as well. */
const SLACK_MS = 30_000;
const STUCK_AFTER_MS = 5_000;

export const run: RunCommand = async (context, { args, options }) => {
  const { home, signal, output } = context;
  const client = await connect(home);
  const deadlineMs = durationOption(options, 'deadline');
  const reason = textOption(options, 'reason');
  const said = reason === undefined ? {} : { reason };
  // D5: all of them are cordoned first, so that nothing moves from one to the next.
  if (args.length > 1) for (const node of args) await client.cordonNode(node, said, { signal });
  for (const node of args) await client.drainNode(node, { ...said, ...(deadlineMs === undefined ? {} : { deadlineMs }) }, { signal });
  if (options['wait'] === false) {
    await reportNodes(context, client, { names: args, said: (node) => `${node} is being drained. Next: haven node ls` });
    return EXIT.ok;
  }
  output.progress(`Draining ${args.join(', ')}; Ctrl-C does not stop it, "haven node undrain" does`);
  try {
    await untilEmpty(context, client, { names: args, timeoutMs: (deadlineMs ?? DEFAULT_DEADLINE_MS) + SLACK_MS });
  } catch (error) {
    if (signal.aborted) output.fail(`Stopped waiting; the drain goes on. Next: haven node ls, or haven node undrain ${args.join(' ')}`);
    throw error;
  }
  await reportNodes(context, client, { names: args, said: (node) => `${node} is empty. Next: haven node undrain ${node}` });
  return EXIT.ok;
};

async function untilEmpty(
  { output, signal }: CommandContext,
  client: HavenClient,
  { names, timeoutMs }: { readonly names: readonly string[]; readonly timeoutMs: number },
): Promise<void> {
  const told = new Set<string>();
  const tell = (line: string) => {
    if (!told.has(line)) output.progress(line);
    told.add(line);
  };
  let left = Number.POSITIVE_INFINITY;
  let progressAt = performance.now();
  const empty = await poll(
    async () => {
      const nodes = (await client.nodes({ signal })).filter((node) => names.includes(node.name));
      const instances = nodes.reduce((sum, node) => sum + node.instances, 0);
      if (instances === 0) return true;
      if (instances < left) progressAt = performance.now();
      left = instances;
      for (const node of nodes) if (node.instances > 0) tell(`${node.name}: ${plural(node.instances, 'instance')} left`);
      // D4: what holds it up is said, not guessed.
      if (performance.now() - progressAt < STUCK_AFTER_MS) return undefined;
      for (const node of nodes) {
        const why = await client.why(`node/${node.name}`, { signal });
        for (const line of why.reasons) tell(`${node.name}: ${printable(line.message)}`);
      }
      return undefined;
    },
    { timeoutMs, intervalMs: 500, signal },
  );
  if (!empty.done) throw timeIsUp(`${names.join(', ')} still hold instances after ${formatTook(timeoutMs)}; the drain goes on. Next: haven why ${names[0]}`);
}
