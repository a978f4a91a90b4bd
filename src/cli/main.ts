import { hasCode, PlatformError } from '#base/errors';
import type { CommandDefinition, CommandOptions } from './command.ts';
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts';

/** Runs one command line; resolves to the exit code. */
async function main(argv: readonly string[]): Promise<ExitCode> {
  const interrupt = new AbortController();
  const abort = () => interrupt.abort(new PlatformError('ABORTED', 'Interrupted'));
  process.once('SIGINT', abort);
  process.once('SIGTERM', abort);
  // A reader that closes the pipe early, such as "head", is not an error of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
  });

  // The simulated-only and lab commands bring their own programs; loading them costs nothing until they are asked for.
  const { buildProgram } = await import('./program.ts');
  let exitCode: ExitCode = EXIT.ok;
  const program = await buildProgram({
    wants: argv[0],
    run: async (definition, args, options) => {
      exitCode = await runCommand(definition, { args, options, signal: interrupt.signal });
    },
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    return await report(error, argv.includes('--json'));
  }
}

async function runCommand(
  definition: CommandDefinition,
  input: { readonly args: readonly string[]; readonly options: CommandOptions; readonly signal: AbortSignal },
): Promise<ExitCode> {
  const [{ run }, { createOutput }, { homeOf }] = await Promise.all([definition.load(), import('./output.ts'), import('./home.ts')]);
  const output = createOutput({ json: input.options['json'] === true, quiet: input.options['quiet'] === true });
  return await run({ output, home: homeOf(process.env), signal: input.signal }, { args: input.args, options: input.options });
}

/** Says what went wrong, where and what to do next; for programs as one JSON line. */
async function report(error: unknown, json: boolean): Promise<ExitCode> {
  const { CommanderError } = await import('commander');
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (hasCode(error, 'ABORTED')) return EXIT.interrupted;
  if (!(error instanceof PlatformError) && !isClientError(error)) {
    process.stderr.write(`haven: a mistake in Haven itself: ${error instanceof Error ? error.stack : String(error)}\n`);
    return EXIT.failed;
  }
  const { code, message, details } = error;
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message, details } })}\n`);
  process.stderr.write(`haven: ${message}\n`);
  return exitCodeOf(code);
}

/** Errors of the SDK carry the same facts, but the SDK depends on nothing of ours. */
function isClientError(error: unknown): error is Pick<PlatformError, 'code' | 'message' | 'details'> {
  return error instanceof Error && error.name === 'HavenError' && 'code' in error;
}

process.exitCode = await main(process.argv.slice(2));
