import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { formatAge, table } from '../output.ts';

export const run: RunCommand = async ({ output, home, signal }) => {
  const secrets = await (await connect(home)).secrets({ signal });
  if (output.json) output.record(secrets);
  else if (secrets.length === 0) output.progress('No secrets. Next: haven secret set NAME');
  else {
    const now = Date.now();
    output.data(
      table(
        ['SECRET', '>UPDATED'],
        secrets.map(({ name, updatedAt }) => [name, `${formatAge(now - updatedAt)} ago`]),
      ),
    );
  }
  return EXIT.ok;
};
