import type { ProcessIdentity, ProcessSpec, World } from '../world.ts';

/** What a claim is checked with: a world and an empty folder in it. */
export interface Bench {
  readonly world: World;
  readonly directory: string;
}

/** Programs that exist in both worlds. */
export interface BenchPrograms {
  exitWith(code: number): ProcessSpec;
  /** Prints to standard output, then exits with 0. */
  print(text: string): ProcessSpec;
  /** Runs until it is signalled; SIGTERM ends it. */
  waitForever(): ProcessSpec;
  /** Starts a child of its own group and waits for ever; the child ignores nothing. */
  waitWithChild(): ProcessSpec;
  /** Starts a child that waits for ever and exits with 0 at once. */
  leaveChild(): ProcessSpec;
  /** Takes the lock of the file, prints `held` and waits for ever; exits with 1 if another has it. */
  holdLock(path: string): ProcessSpec;
}

/** One of the two worlds, made fresh for each claim. */
export interface WorldUnderTest {
  readonly name: string;
  readonly programs: BenchPrograms;
  run(body: (bench: Bench) => Promise<void>): Promise<void>;
  /** Another program of Haven starts the process and then ends. */
  startInAnotherLife(bench: Bench, spec: ProcessSpec): Promise<ProcessIdentity>;
}
