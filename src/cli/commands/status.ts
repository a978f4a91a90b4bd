import { setTimeout as sleep } from 'node:timers/promises';
import { PlatformError } from '#base/errors';
import { connect } from '../client.ts';
import type { CommandContext, RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { LiveScreen } from '../live-screen.ts';
import { durationOption } from '../options.ts';
import { formatMoment } from '../output.ts';
import { readSnapshot } from '../read-snapshot.ts';
import { renderStatus, type StatusSnapshot } from '../status-view.ts';

const INTERVAL_MS = 1_000;

export const run: RunCommand = async (context, { args: [app], options }) => {
  const { output, home, signal } = context;
  const intervalMs = Math.max(100, durationOption(options, 'interval') ?? INTERVAL_MS);
  const client = await connect(home);
  const read = () => readSnapshot(client, { ...(app === undefined ? {} : { app }), signal });
  if (options['watch'] === true) return await watch(context, { read, intervalMs });
  const snapshot = await read();
  if (app !== undefined && snapshot.status.apps.length === 0) throw new PlatformError('NOT_FOUND', `There is no app "${app}"`, { next: 'haven status' });
  if (output.json) output.record(dataOf(snapshot));
  else for (const line of renderStatus(snapshot)) output.data(line);
  return EXIT.ok;
};

/** Until Ctrl-C, which is the normal end. A cluster that goes away is shown as away, and shown again when it is back. */
async function watch({ output, signal }: CommandContext, how: { readonly read: () => Promise<StatusSnapshot>; readonly intervalMs: number }): Promise<number> {
  using screen = output.interactive ? new LiveScreen(process.stdout) : undefined;
  let before = '';
  while (!signal.aborted) {
    const snapshot = await how.read().catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
    if (signal.aborted) break;
    const lines = snapshot instanceof Error ? [`${formatMoment(Date.now())}: ${snapshot.message}`] : renderStatus(snapshot);
    if (screen) screen.draw(lines);
    else if (output.json) output.record(snapshot instanceof Error ? { error: { message: snapshot.message } } : dataOf(snapshot));
    else if (lines.join('\n') !== before) for (const line of ['', ...lines]) output.data(line);
    before = lines.join('\n');
    await sleep(how.intervalMs, undefined, { signal }).catch(() => undefined);
  }
  return EXIT.ok;
}

function dataOf({ status, instances, traffic }: StatusSnapshot): object {
  return { ...status, instances, ...(traffic === undefined ? {} : { traffic: traffic.services }) };
}
