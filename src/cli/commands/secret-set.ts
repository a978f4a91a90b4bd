import { text } from 'node:stream/consumers';
import { PlatformError } from '#base/errors';
import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';

export const run: RunCommand = async ({ output, home, signal }, { args: [name = ''] }) => {
  const client = await connect(home);
  const value = await readValue(name, signal);
  if (value === '') throw new PlatformError('INVALID', `Cannot store ${name}, because its value is empty. Next: haven secret rm ${name}, if it shall be gone`);
  await client.setSecret(name, { value }, { signal });
  if (output.json) output.record({ name });
  else output.progress(`Secret ${name} is stored; instances that start from now on get it. Next: haven restart APP/SERVICE`);
  return EXIT.ok;
};

async function readValue(name: string, signal: AbortSignal): Promise<string> {
  if (!process.stdin.isTTY) return (await text(process.stdin)).replace(/\r?\n$/, '');
  const prompts = await import('@clack/prompts');
  const answer = await prompts.password({ message: `Value of ${name}`, output: process.stderr, signal });
  if (typeof answer !== 'string') throw new PlatformError('ABORTED', 'Nothing was changed');
  return answer;
}
