import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { CommandDefinition, CommandOptions } from './command.ts';
import { COMMANDS } from './commands.ts';

const EXIT_CODES =
  'Exit codes: 0 done · 1 failed · 2 wrong usage or config · 3 no node can take it · 4 rolled back · 5 time is up · 6 conflict · 130 interrupted';

type Run = (definition: CommandDefinition, args: readonly string[], options: CommandOptions) => Promise<void>;

/** The command line as a commander program made from the table of commands. `wants` is the first word: groups with a program of their own load only for it. */
export async function buildProgram(input: { readonly wants: string | undefined; readonly run: Run }): Promise<Command> {
  const program = new Command('haven')
    .description('Haven: a highly-available cloud for teams with 1 to 100 machines')
    .version(versionOfHaven(), '-V, --version', 'print the version')
    .option('--json', 'print data as JSON')
    .option('-q, --quiet', 'no progress')
    .addHelpText('after', `\nExamples:\n  haven start\n  haven deploy ./shop\n  haven status --watch\n\n${EXIT_CODES}`)
    .exitOverride()
    .showSuggestionAfterError()
    .enablePositionalOptions();
  for (const definition of COMMANDS) addCommand(program, definition, input.run);
  return program;
}

/** Of this installation, as its package says. */
export function versionOfHaven(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown';
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
  return program.command(noun).description(`${noun}s: see "haven ${noun} --help"`).exitOverride();
}
