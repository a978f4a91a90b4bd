import { PlatformError } from '#base/errors';
import type { CommandOptions } from './command.ts';

/** Returns if the person agrees or said `--yes`. INVALID without a terminal to ask at, ABORTED if the answer is no. */
export async function confirm(question: string, { options, signal }: { readonly options: CommandOptions; readonly signal: AbortSignal }): Promise<void> {
  if (options['yes'] === true) return;
  if (options['json'] === true || !process.stdin.isTTY || !process.stderr.isTTY) {
    throw new PlatformError('INVALID', 'Cannot ask for confirmation, because this is not a terminal. Next: say --yes');
  }
  const prompts = await import('@clack/prompts');
  const answer = await prompts.confirm({ message: question, initialValue: false, output: process.stderr, signal });
  if (answer !== true) throw new PlatformError('ABORTED', 'Nothing was changed');
}
