import type { PoolRequest } from '@haven/sdk';
import { parseSizeBytes } from '#base/bytes';
import { PlatformError } from '#base/errors';
import { parseName } from '#base/name';
import { connect } from '../client.ts';
import type { CommandOptions, RunCommand } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { textOption, wholeOption } from '../options.ts';
import { formatTook, plural } from '../output.ts';
import { poll, timeIsUp } from '../polling.ts';

const READY_WITHIN_MS = 60_000;

export const run: RunCommand = async ({ output, home, signal }, { args: [pool = ''], options }) => {
  const name = parseName(pool, 'a pool');
  const request = requestOf(options);
  const client = await connect(home);
  const startedAt = performance.now();
  await client.putPool(name, request, { signal });
  const ask = async () => (await client.pools({ signal })).find((view) => view.name === name);
  if (options['wait'] !== false) {
    output.progress(`Pool ${name} is accepted; waiting for ${plural(request.nodes, 'node')}`);
    const ready = await poll(
      async () => {
        const view = await ask();
        return view && view.nodes === request.nodes && view.readyNodes >= request.nodes ? view : undefined;
      },
      { timeoutMs: READY_WITHIN_MS, signal },
    );
    if (!ready.done)
      throw timeIsUp(`Pool ${name} has no ${plural(request.nodes, 'ready node')} after ${formatTook(READY_WITHIN_MS)}; it goes on. Next: haven node ls`);
    output.progress(`Pool ${name} has ${plural(request.nodes, 'ready node')} after ${formatTook(performance.now() - startedAt)}`);
  }
  if (output.json) output.record((await ask()) ?? { name, ...request });
  return EXIT.ok;
};

function requestOf(options: CommandOptions): PoolRequest {
  const nodes = wholeOption(options, 'nodes') ?? 1;
  const cpuText = textOption(options, 'cpu');
  const memory = textOption(options, 'memory');
  if (cpuText === undefined && memory === undefined) return { nodes };
  const cpu = Number(cpuText);
  if (cpuText === undefined || memory === undefined) {
    throw new PlatformError(
      'INVALID',
      'Cannot make a pool with only one of --cpu and --memory, because a share of a machine is both. Next: give both or neither',
    );
  }
  if (!(cpu > 0 && Number.isFinite(cpu)))
    throw new PlatformError('INVALID', `Cannot use "${cpuText}" for --cpu, because it is not a number of cores above 0, such as 0.5`);
  return { nodes, resources: { cpu, memoryBytes: parseSizeBytes(memory) } };
}
