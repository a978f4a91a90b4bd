import { constants } from 'node:os';
import type { HavenClient } from '@haven/sdk';
import { PlatformError } from '#base/errors';
import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { parseServiceTarget } from '../target.ts';

export const run: RunCommand = async ({ output, home, signal }, { args: [text = '', ...rest] }) => {
  const command = rest[0] === '--' ? rest.slice(1) : rest;
  if (command.length === 0) throw new PlatformError('INVALID', 'Cannot run nothing. Next: write a command, such as "haven exec shop/web.1 -- node --version"');
  const client = await connect(home);
  const id = await idOf(client, text, signal);
  for await (const line of client.exec(id, { command }, { signal })) {
    if (output.json && line.kind !== 'heartbeat') output.record(line);
    else if (line.kind === 'output') output.data(line.text);
    if (line.kind !== 'exit') continue;
    if (line.reason !== undefined && line.code !== 0) output.progress(line.reason);
    if (line.code !== undefined) return line.code;
    // As shells say it of a command that a signal ended.
    return line.signal === undefined ? EXIT.failed : 128 + (constants.signals[line.signal as NodeJS.Signals] ?? 0);
  }
  throw new PlatformError('UNAVAILABLE', `Cannot tell how the command on ${text} ended, because the cluster ended its stream`);
};

/** `shop/web.1` as the id of its running instance. During a rollout two share the name: the newer release is meant. */
async function idOf(client: HavenClient, text: string, signal: AbortSignal): Promise<string> {
  const { app, service, slot, id } = parseServiceTarget(text);
  if (id !== undefined) return id;
  if (slot === undefined)
    throw new PlatformError('INVALID', `Cannot tell which instance of ${text} is meant. Next: write ${text}.1, or another from "haven ps ${app}"`);
  const instances = await client.instances({ app, service, slot, signal });
  const [newest] = instances.filter(({ pid }) => pid !== undefined).sort((a, b) => b.release - a.release);
  if (!newest) throw new PlatformError('NOT_FOUND', `Cannot run a command on ${text}, because it does not run`, { next: `haven why ${text}` });
  return newest.id;
}
