import { Command } from 'commander';
import { PlatformError } from '#base/errors';
import { registerLabCommands } from './register.ts';

const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort(new PlatformError('ABORTED', 'Interrupted')));
const program = new Command('haven');
registerLabCommands(program, { signal: interrupt.signal });
try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (!(error instanceof PlatformError)) throw error;
  process.stderr.write(`haven: ${error.message}\n`);
  process.exitCode = error.code === 'INVALID' ? 2 : 1;
}
