import { PlatformError } from '#base/errors';
import type { RunCommand } from '../command.ts';
import { SCRIPTS } from '../complete.ts';
import { EXIT } from '../exit-codes.ts';

export const run: RunCommand = async ({ output }, { args: [shell = ''] }) => {
  const script = SCRIPTS[shell];
  if (script === undefined) throw new PlatformError('INVALID', `Cannot complete for "${shell}". Next: use one of ${Object.keys(SCRIPTS).join(', ')}`);
  if (output.json) output.record({ shell, script });
  else output.data(script);
  return EXIT.ok;
};
