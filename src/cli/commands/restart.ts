import { PlatformError } from '#base/errors';
import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { durationOption } from '../options.ts';
import { formatTook, plural } from '../output.ts';
import { poll, timeIsUp } from '../polling.ts';
import { parseServiceTarget } from '../target.ts';

const DEADLINE_MS = 120_000;

export const run: RunCommand = async ({ output, home, signal }, { args: [text = ''], options }) => {
  const { app, service, slot } = parseServiceTarget(text);
  const timeoutMs = durationOption(options, 'timeout') ?? DEADLINE_MS;
  const client = await connect(home);
  const which = { app, service, ...(slot === undefined ? {} : { slot }) };
  const before = await client.instances({ ...which, signal });
  if (before.length === 0) throw new PlatformError('NOT_FOUND', `Cannot restart ${text}, because it has no instances`, { next: `haven why ${text}` });
  const startedAt = performance.now();
  await client.restart(app, service, slot === undefined ? {} : { slot }, { signal });
  if (options['wait'] === false) {
    if (output.json) output.record({ restarting: before.map(({ id }) => id) });
    else output.progress(`The restart of ${plural(before.length, 'instance')} of ${app}/${service} is accepted`);
    return EXIT.ok;
  }
  const attempts = new Map(before.map(({ id, attempt }) => [id, attempt]));
  const restarted = await poll(
    async () => {
      const now = await client.instances({ ...which, signal });
      const isUp = now.every(({ id, attempt, state }) => attempt > (attempts.get(id) ?? 0) && (state === 'running' || state === 'healthy'));
      return isUp && now.length >= before.length ? now : undefined;
    },
    { timeoutMs, signal },
  );
  if (!restarted.done) throw timeIsUp(`Not every instance of ${text} runs again after ${formatTook(timeoutMs)}; it goes on`, { next: `haven why ${text}` });
  if (output.json) output.record(restarted.value);
  else output.progress(`${plural(restarted.value.length, 'instance')} of ${app}/${service} restarted after ${formatTook(performance.now() - startedAt)}`);
  return EXIT.ok;
};
