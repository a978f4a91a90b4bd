import type { InstanceView } from '@haven/sdk';
import { PlatformError } from '#base/errors';
import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { durationOption } from '../options.ts';
import { formatTook, plural } from '../output.ts';
import { poll, timeIsUp } from '../polling.ts';
import { parseServiceTarget } from '../target.ts';

const DEADLINE_MS = 600_000;

export const run: RunCommand = async ({ output, home, signal }, { args: [text = ''], options }) => {
  const { app, service, slot } = parseServiceTarget(text);
  const timeoutMs = durationOption(options, 'timeout') ?? DEADLINE_MS;
  const isInPlace = options['inPlace'] === true;
  const client = await connect(home);
  const which = { app, service, ...(slot === undefined ? {} : { slot }) };
  const before = await client.instances({ ...which, signal });
  if (before.length === 0) throw new PlatformError('NOT_FOUND', `Cannot restart ${text}, because it has no instances`, { next: `haven why ${text}` });
  const startedAt = performance.now();
  const request = { ...(slot === undefined ? {} : { slot }), ...(isInPlace ? { inPlace: true } : {}) };
  await client.restart(app, service, request, { signal });
  if (options['wait'] === false) {
    if (output.json) output.record({ restarting: before.map(({ id }) => id) });
    else output.progress(`The restart of ${plural(before.length, 'instance')} of ${app}/${service} is accepted`);
    return EXIT.ok;
  }
  const slots = new Set(before.map((instance) => instance.slot));
  let told = 0;
  const restarted = await poll(
    async () => {
      const now = await client.instances({ ...which, signal });
      const renewed = now.filter((instance) => isRenewed(instance, before) && (instance.state === 'running' || instance.state === 'healthy'));
      if (!output.json && renewed.length > told && renewed.length < slots.size) output.progress(`${renewed.length} of ${slots.size} restarted`);
      told = Math.max(told, renewed.length);
      // An old instance goes only when its successor is healthy: what is left must all be new, or another attempt.
      return renewed.length >= slots.size && renewed.length === now.length ? now : undefined;
    },
    { timeoutMs, signal },
  );
  if (!restarted.done) throw timeIsUp(`Not every instance of ${text} runs again after ${formatTook(timeoutMs)}; it goes on`, { next: `haven why ${text}` });
  if (output.json) output.record(restarted.value);
  else output.progress(`${plural(restarted.value.length, 'instance')} of ${app}/${service} restarted after ${formatTook(performance.now() - startedAt)}`);
  return EXIT.ok;
};

/** Another instance than before, or another attempt of one. */
function isRenewed(instance: InstanceView, before: readonly InstanceView[]): boolean {
  const known = before.find(({ id }) => id === instance.id);
  return known === undefined || instance.attempt > known.attempt;
}
