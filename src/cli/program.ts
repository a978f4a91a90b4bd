import { Command } from 'commander';
import type { CommandDefinition, CommandOptions } from './command.ts';
import { COMMANDS } from './commands.ts';
import { VERSION } from './version.ts';

const EXIT_CODES =
  'Exit codes: 0 done · 1 failed · 2 wrong usage or config · 3 no node can take it · 4 rolled back · 5 time is up · 6 conflict · 130 interrupted';

/** How help sorts the first words; a command whose first word is not here would be under "Commands". */
const HEADINGS: readonly (readonly [heading: string, words: readonly string[]])[] = [
  ['This machine:', ['start', 'up', 'down', 'doctor', 'completion']],
  ['Pools and nodes:', ['pool', 'node']],
  ['Apps:', ['plan', 'deploy', 'scale', 'restart', 'switch', 'rollback', 'rm', 'secret']],
  ['What runs, and why:', ['status', 'ps', 'logs', 'events', 'why', 'exec']],
  ['Evidence:', ['demo', 'lab']],
  ['A gateway without a cluster:', ['gateway']],
];

type Run = (definition: CommandDefinition, args: readonly string[], options: CommandOptions) => Promise<void>;

/** The command line as a commander program made from the table of commands. `wants` is the first word: groups with a program of their own load only for it. */
export async function buildProgram(input: {
  readonly wants: string | undefined;
  readonly run: Run;
  /** Gets the exit code of a command that is not in the table. */
  readonly finish: (code: number) => void;
  readonly signal: AbortSignal;
}): Promise<Command> {
  const program = new Command('haven')
    .description('Haven: a highly-available cloud for teams with 1 to 100 machines')
    .version(VERSION, '-V, --version', 'print the version')
    .option('--json', 'print data as JSON')
    .option('-q, --quiet', 'no progress')
    .addHelpText('after', `\nExamples:\n  haven start\n  haven deploy ./shop\n  haven status --watch\n\n${EXIT_CODES}`)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'haven: ')) })
    .showSuggestionAfterError()
    .showHelpAfterError('Next: haven --help, or haven COMMAND --help')
    .enablePositionalOptions();
  for (const definition of COMMANDS) addCommand(program, definition, input.run);
  if (input.wants === 'lab') {
    const { registerLabCommands } = await import('./lab/register.ts');
    registerLabCommands(program, { finish: input.finish, signal: input.signal });
  } else program.command('lab').description('compare scheduling policies by experiment: see "haven lab --help"');
  const help = new Command('help').argument('[command]').description('show the help of a command').helpOption(false);
  program.addHelpCommand(help.helpGroup(HEADINGS[0]?.[0] ?? ''));
  for (const command of program.commands) {
    const [heading] = HEADINGS.find(([, words]) => words.includes(command.name())) ?? [];
    if (heading !== undefined) command.helpGroup(heading);
  }
  return program;
}

function addCommand(program: Command, definition: CommandDefinition, run: Run): void {
  const words = definition.usage.split(' ');
  const nouns = words.filter((word) => /^[a-z]/.test(word));
  const args = words.slice(nouns.length).join(' ');
  const name = nouns.at(-1) ?? '';
  const parent = nouns.length > 1 ? groupOf(program, nouns[0] as string) : program;
  const command = parent
    .command(args === '' ? name : `${name} ${args}`)
    .summary(definition.summary)
    .description(definition.details === undefined ? definition.summary : `${definition.summary}\n\n${definition.details}`)
    .option('--json', 'print data as JSON')
    .option('-q, --quiet', 'no progress')
    .addHelpText('after', `\nExamples:\n${definition.examples.map((example) => `  ${example}`).join('\n')}\n\n${EXIT_CODES}`)
    .exitOverride();
  for (const [flags, description, kind] of definition.options ?? []) {
    if (kind === 'repeatable') command.option(flags, description, (value: string, before: readonly string[] | undefined) => [...(before ?? []), value]);
    else command.option(flags, description);
  }
  if (definition.passThrough) command.passThroughOptions();
  command.action(async () => {
    const options: CommandOptions = { ...program.opts(), ...command.opts() };
    await run(definition, command.args, options);
  });
}

function groupOf(program: Command, noun: string): Command {
  const existing = program.commands.find((command) => command.name() === noun);
  if (existing) return existing;
  const verbs = COMMANDS.map(({ usage }) => usage.split(' ')).flatMap(([first, verb]) => (first === noun && verb !== undefined ? [verb] : []));
  return program
    .command(noun)
    .description(`${verbs.slice(0, -1).join(', ')} or ${verbs.at(-1)}: see "haven ${noun} --help"`)
    .exitOverride();
}
