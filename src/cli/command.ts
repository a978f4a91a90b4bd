import type { Home } from './home.ts';
import type { Output } from './output.ts';

/** What every command gets besides its own arguments. */
export interface CommandContext {
  readonly output: Output;
  readonly home: Home;
  /** Aborts on Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
}

/** By the option's name in camel case; `--no-wait` is `wait: false`; a repeatable option is a list. */
export type CommandOptions = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

export interface CommandInput {
  /** Positional arguments in order; a variadic one is spread at the end. */
  readonly args: readonly string[];
  readonly options: CommandOptions;
}

/** Resolves to the exit code: one of `EXIT`, or that of the program run by `exec`. */
export type RunCommand = (context: CommandContext, input: CommandInput) => Promise<number>;

/** `target`: an app, a service or an instance. `targetOrNode`: also a node. */
export type CompletionKind = 'app' | 'service' | 'instance' | 'target' | 'node' | 'pool' | 'secret' | 'targetOrNode';

/** One command, as the table in `commands.ts` lists it; its code is loaded only when it runs. */
export interface CommandDefinition {
  /** Words and arguments: `pool create <name>`. */
  readonly usage: string;
  readonly summary: string;
  /** More than one line of help, where the summary is not enough. */
  readonly details?: string;
  /** Flag with argument, then what it does: `['--nodes <n>', 'how many nodes']`. */
  readonly options?: readonly (readonly [flag: string, description: string, kind?: 'repeatable'])[];
  readonly examples: readonly string[];
  /** What the first argument names, for completion. */
  readonly completes?: CompletionKind;
  /** Everything after the arguments goes to another program unread. */
  readonly passThrough?: boolean;
  readonly load: () => Promise<{ readonly run: RunCommand }>;
}
