import type { ExitCode } from './exit-codes.ts';
import type { Home } from './home.ts';
import type { Output } from './output.ts';

/** What every command gets besides its own arguments. */
export interface CommandContext {
  readonly output: Output;
  readonly home: Home;
  /** Aborts on Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
}

export type CommandOptions = Readonly<Record<string, string | boolean | undefined>>;

export interface CommandInput {
  /** Positional arguments in order; a variadic one is spread at the end. */
  readonly args: readonly string[];
  readonly options: CommandOptions;
}

export type RunCommand = (context: CommandContext, input: CommandInput) => Promise<ExitCode>;

/** One command, as the table in `commands.ts` lists it; its code is loaded only when it runs. */
export interface CommandDefinition {
  /** Words and arguments: `pool create <name>`. */
  readonly usage: string;
  readonly summary: string;
  /** Flag with argument, then what it does: `['--nodes <n>', 'how many nodes']`. */
  readonly options?: readonly (readonly [flag: string, description: string])[];
  readonly examples: readonly string[];
  /** What the first argument names, for completion. */
  readonly completes?: 'app' | 'service' | 'node' | 'pool';
  /** Everything after the arguments goes to another program unread. */
  readonly passThrough?: boolean;
  readonly load: () => Promise<{ readonly run: RunCommand }>;
}
