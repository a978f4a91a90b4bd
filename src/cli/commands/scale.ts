import type { HavenClient, InstanceView, ServiceView } from '@haven/sdk';
import { PlatformError } from '#base/errors';
import { connect } from '../client.ts';
import type { CommandContext, RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { durationOption } from '../options.ts';
import { formatTook, plural, printable } from '../output.ts';
import { poll, timeIsUp } from '../polling.ts';
import { parseScale } from '../target.ts';

const DEADLINE_MS = 120_000;
/** A reason that holds this long without a new placement is not a passing one. */
const UNPLACED_AFTER_MS = 5_000;

type Wanted = ReturnType<typeof parseScale>[number];

export const run: RunCommand = async (context, { args, options }) => {
  const { output, home, signal } = context;
  const wanted = parseScale(args);
  const timeoutMs = durationOption(options, 'timeout') ?? DEADLINE_MS;
  const client = await connect(home);
  for (const { app, service, count } of wanted) await client.scale(app, service, { count }, { signal });
  const services: ServiceView[] = [];
  if (options['wait'] !== false) for (const one of wanted) services.push(await untilReached(context, client, { wanted: one, timeoutMs }));
  if (output.json) output.record(options['wait'] === false ? wanted : services);
  return EXIT.ok;
};

async function untilReached(
  { output, signal }: CommandContext,
  client: HavenClient,
  { wanted, timeoutMs }: { readonly wanted: Wanted; readonly timeoutMs: number },
): Promise<ServiceView> {
  const { app, service, count } = wanted;
  const name = `${app}/${service}`;
  const startedAt = performance.now();
  let placed = -1;
  let placedAt = startedAt;
  output.progress(`${name} shall have ${plural(count, 'instance')}`);
  const reached = await poll(
    async () => {
      const [status, instances] = await Promise.all([client.status({ signal }), client.instances({ app, service, signal })]);
      const view = status.apps.find((candidate) => candidate.name === app)?.services.find((candidate) => candidate.service === service);
      if (!view) throw new PlatformError('NOT_FOUND', `Cannot wait for ${name}, because it is gone`);
      const staying = instances.filter(isStaying);
      if (staying.length !== placed) {
        placed = staying.length;
        placedAt = performance.now();
      }
      // An instance on its way out still runs: the count is reached when none but the wanted ones are left.
      if (view.count === count && staying.length === count && instances.length === count && view.running === count) return view;
      const [reason] = view.pending;
      if (placed < count && reason !== undefined && performance.now() - placedAt > UNPLACED_AFTER_MS) {
        throw new PlatformError('NOT_PLACED', `${name} has ${placed} of ${plural(count, 'instance')}, because ${printable(reason)}`, {
          app,
          service,
          placed,
          wanted: count,
          reasons: view.pending,
          next: `haven why ${name}`,
        });
      }
      return undefined;
    },
    { timeoutMs, signal },
  );
  if (!reached.done)
    throw timeIsUp(`${name} has not reached ${plural(count, 'instance')} after ${formatTook(timeoutMs)}; it goes on`, {
      app,
      service,
      next: `haven why ${name}`,
    });
  output.progress(`${name} has ${plural(count, 'running instance')} after ${formatTook(performance.now() - startedAt)}`);
  return reached.value;
}

function isStaying({ state }: InstanceView): boolean {
  return !['draining', 'stopping', 'stopped'].includes(state);
}
