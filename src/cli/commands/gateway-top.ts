import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandContext, RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { readLiveStatus } from '../gateway/admin-client.ts';
import { adminOf } from '../gateway/gateway-file.ts';
import { renderTop } from '../gateway/top-view.ts';
import { LiveScreen } from '../live-screen.ts';
import { durationOption, wholeOption } from '../options.ts';
import { formatMoment } from '../output.ts';

const INTERVAL_MS = 1_000;
const LEAST_INTERVAL_MS = 100;

export const run: RunCommand = async (context, { options }) => {
  const admin = adminOf(options);
  const intervalMs = Math.max(LEAST_INTERVAL_MS, durationOption(options, 'interval') ?? INTERVAL_MS);
  // Without a terminal a program reads it: once unless told otherwise.
  const rounds = wholeOption(options, 'count', 1) ?? (context.output.interactive ? Number.POSITIVE_INFINITY : 1);
  // A mistake in the address is said once, not shown for ever.
  await readLiveStatus(admin, context.signal);
  return await watch(context, { admin, intervalMs, rounds });
};

async function watch(
  { output, signal }: CommandContext,
  how: { readonly admin: ReturnType<typeof adminOf>; readonly intervalMs: number; readonly rounds: number },
): Promise<number> {
  using screen = output.interactive ? new LiveScreen(process.stdout) : undefined;
  for (let round = 0; round < how.rounds && !signal.aborted; round++) {
    if (round > 0) await sleep(how.intervalMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) break;
    const status = await readLiveStatus(how.admin, signal).catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
    if (signal.aborted) break;
    if (output.json) output.record(status instanceof Error ? { error: { message: status.message } } : status);
    else {
      const lines = status instanceof Error ? [`${formatMoment(Date.now())}: ${status.message}`] : renderTop(status, screen?.columns);
      if (screen) screen.draw(lines);
      else for (const line of lines) output.data(line);
    }
  }
  return EXIT.ok;
}
