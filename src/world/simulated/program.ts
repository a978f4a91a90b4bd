import type { World } from '../world.ts';

/** What a simulated program gets when it starts. All its state lives in its own call: nothing at module level. */
export interface ProgramContext {
  readonly world: World;
  /** Aborts on SIGTERM, SIGINT and SIGHUP. */
  readonly signal: AbortSignal;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  /** Appends to the file that takes the program's output. */
  print(text: string): void;
  /** Starts another program as a member of the same group, as a shell does. */
  fork(command: string, args?: readonly string[]): void;
}

/** Runs until it returns: its exit code, or nothing for 0. What it throws is printed, and it exits with 1. */
export type Program = (context: ProgramContext) => Promise<number> | Promise<void>;
