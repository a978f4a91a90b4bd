import { hasCode, PlatformError } from '#base/errors';
import type { CommandDefinition, CommandOptions } from './command.ts';
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.ts';
import { onInterrupt } from './interrupt.ts';

const COMPLETED_WITHIN_MS = 300;

/** Runs one command line; resolves to the exit code. */
async function main(argv: readonly string[]): Promise<number> {
  const signal = onInterrupt(process, { exitCode: EXIT.interrupted, nowMs: () => performance.now() });
  process.stderr.on('error', () => undefined);
  // A reader that closes the pipe early, such as "head", is not an error of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
  });
  if (argv[0] === '__complete') return await completeWords(argv.slice(1));

  // The simulated-only and lab commands bring their own programs; loading them costs nothing until they are asked for.
  const { buildProgram } = await import('./program.ts');
  let exitCode: number = EXIT.ok;
  const program = await buildProgram({
    wants: argv[0],
    run: async (definition, args, options) => {
      exitCode = await runCommand(definition, { args, options, signal });
    },
    finish: (code) => {
      exitCode = code;
    },
    signal,
  });
  if (argv.length === 0) {
    program.outputHelp();
    return EXIT.ok;
  }
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
): Promise<number> {
  const [{ run }, { createOutput }, { homeOf }] = await Promise.all([definition.load(), import('./output.ts'), import('./home.ts')]);
  const output = createOutput({ json: input.options['json'] === true, quiet: input.options['quiet'] === true });
  return await run({ output, home: homeOf(process.env), signal: input.signal }, { args: input.args, options: input.options });
}

/** Says what went wrong, where and what to do next; for programs as one JSON line. */
async function report(error: unknown, json: boolean): Promise<ExitCode> {
  const [{ CommanderError }, { withNext }] = await Promise.all([import('commander'), import('./output.ts')]);
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok;
    // Commander has written its message to stderr already.
    if (json) writeError({ code: 'INVALID', message: error.message.replace(/^error: /, ''), details: {} });
    return EXIT.usage;
  }
  if (hasCode(error, 'ABORTED')) return EXIT.interrupted;
  if (!(error instanceof PlatformError) && !isClientError(error)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    if (json) writeError({ code: 'INTERNAL', message: error instanceof Error ? error.message : String(error), details: {} });
    process.stderr.write(`haven: a mistake in Haven itself: ${text}\n`);
    return EXIT.failed;
  }
  if (error.code === 'ABORTED') return EXIT.interrupted;
  const { code, message, details } = error;
  const next = nextOf(error);
  if (json) writeError({ code, message, details, ...(next === undefined ? {} : { next }) });
  process.stderr.write(`haven: ${withNext(message, next)}\n`);
  return exitCodeOf(code);
}

interface ReportedError {
  readonly code: PlatformError['code'];
  readonly message: string;
  readonly details: PlatformError['details'];
  readonly next?: string;
}

function writeError(error: ReportedError): void {
  process.stdout.write(`${JSON.stringify({ error })}\n`);
}

/** Errors of the SDK carry the same facts, but the SDK depends on nothing of ours. */
function isClientError(error: unknown): error is ReportedError & Error {
  return error instanceof Error && error.name === 'HavenError' && 'code' in error;
}

function nextOf(error: PlatformError | ReportedError): string | undefined {
  const next = 'next' in error ? error.next : error.details['next'];
  return typeof next === 'string' && !error.message.includes('Next: ') ? next : undefined;
}

/** What a shell asks while a person types: quick, and silent whatever goes wrong. */
async function completeWords(words: readonly string[]): Promise<ExitCode> {
  try {
    const [{ complete }, { liveNames }, { homeOf }] = await Promise.all([import('./complete.ts'), import('./live-names.ts'), import('./home.ts')]);
    const signal = AbortSignal.timeout(COMPLETED_WITHIN_MS);
    const candidates = await complete(words, (kind) => liveNames(homeOf(process.env), { kind, signal }));
    if (candidates.length > 0) process.stdout.write(`${candidates.join('\n')}\n`);
  } catch {
    // A message would land in the middle of what is being typed.
  }
  return EXIT.ok;
}

process.exitCode = await main(process.argv.slice(2));
