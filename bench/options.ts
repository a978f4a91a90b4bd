import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

type ValuesOf<Options extends ParseArgsOptionsConfig> = ReturnType<typeof parseArgs<{ readonly options: Options; readonly strict: true }>>['values'];

/** The options on a bench's command line. `--help` prints `help` and ends the process; so does what is no option, with 2, before minutes are spent on a run that was not meant. */
export function benchOptions<const Options extends ParseArgsOptionsConfig>(help: string, options: Options): ValuesOf<Options> {
  if (process.argv.includes('--help')) {
    process.stdout.write(`${help}\n`);
    process.exit(0);
  }
  try {
    return parseArgs({ options, strict: true }).values as ValuesOf<Options>;
  } catch (error) {
    return misused(error instanceof Error ? error.message : String(error), help);
  }
}

/** Ends a bench that was asked for what there is not. */
export function misused(message: string, help: string): never {
  process.stderr.write(`${message}\n\n${help}\n`);
  process.exit(2);
}
