import { connect } from '../client.ts';
import type { RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { wholeOption } from '../options.ts';
import { formatTook } from '../output.ts';
import { poll, timeIsUp } from '../polling.ts';
import { parseServiceTarget } from '../target.ts';

const DEADLINE_MS = 60_000;

export const run: RunCommand = async ({ output, home, signal }, { args: [text = ''], options }) => {
  const { app, service, slot: named } = parseServiceTarget(text);
  const slot = wholeOption(options, 'to', 1) ?? named;
  const client = await connect(home);
  const activeSlot = async () => {
    const { apps } = await client.status({ signal });
    return apps.find((view) => view.name === app)?.services.find((view) => view.service === service)?.activeSlot;
  };
  const before = await activeSlot();
  const startedAt = performance.now();
  const { changed } = await client.switchActive(app, service, slot === undefined ? {} : { slot }, { signal });
  const name = (number: number | undefined) => (number === undefined ? 'none' : `${service}.${number}`);
  if (!changed) {
    if (output.json) output.record({ app, service, changed, from: before, to: before });
    else output.progress(`${app}/${name(before)} is active already`);
    return EXIT.ok;
  }
  if (options['wait'] === false) {
    if (output.json) output.record({ app, service, changed, from: before });
    else output.progress(`The switch of ${app}/${service} is accepted`);
    return EXIT.ok;
  }
  const switched = await poll(
    async () => {
      const now = await activeSlot();
      return now !== undefined && now !== before ? now : undefined;
    },
    { timeoutMs: DEADLINE_MS, intervalMs: 50, signal },
  );
  if (!switched.done)
    throw timeIsUp(`${app}/${name(before)} is still the active one after ${formatTook(DEADLINE_MS)}; the switch goes on`, {
      next: `haven why ${app}/${service}`,
    });
  if (output.json) output.record({ app, service, changed, from: before, to: switched.value });
  else output.progress(`${app}/${name(switched.value)} is active, before it was ${name(before)}; after ${formatTook(performance.now() - startedAt)}`);
  return EXIT.ok;
};
