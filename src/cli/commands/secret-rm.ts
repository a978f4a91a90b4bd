import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';

export const run: RunCommand = async ({ output, home, signal }, { args: [name = ''] }) => {
  const client = await connect(home);
  await client.removeSecret(name, { signal });
  if (output.json) output.record({ name });
  else output.progress(`Secret ${name} is removed; instances that run keep it until they start again`);
  return EXIT.ok;
};
