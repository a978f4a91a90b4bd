import { hasCode, PlatformError } from '#base/errors';
import type { Instance } from '#model/instance';
import { newProcessToken } from '#world/process-token';
import type { RunningProcess, World } from '#world/world';
import { instanceEnvironment } from './instance-environment.ts';
import type { InstanceJournal } from './instance-journal.ts';
import type { KeeperParts } from './keeper-parts.ts';
import type { End } from './keeper-state.ts';
import type { LogFile } from './logs/log-file.ts';
import { momentNow } from './moment.ts';

/** What a start needs and may have to wait for. */
export interface Supplies {
  readonly port: number | undefined;
  readonly secrets: Readonly<Record<string, string>>;
}

/** Port and secrets, or why they cannot be had now. */
export async function gatherSupplies(
  { ports, secrets: source }: Pick<KeeperParts, 'ports' | 'secrets'>,
  { id, spec, secrets: names }: Instance,
  { port, signal }: { readonly port: number | undefined; readonly signal: AbortSignal },
): Promise<{ readonly supplies: Supplies } | { readonly end: End }> {
  try {
    const secrets = names.length === 0 ? {} : await source.read(names, { instance: id, signal });
    if (!spec.listens) return { supplies: { port: undefined, secrets } };
    return { supplies: { port: spec.hostPort === undefined ? await ports.takeFree(id, port) : await ports.takeFixed(spec.hostPort, id), secrets } };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof PlatformError)) throw error;
    return { end: hasCode(error, 'LOCKED') ? { why: 'port-in-use', reason: error.message } : notReady(error) };
  }
}

/** What a process of the instance finds around it. */
export function environmentOf({ host, path, folders }: KeeperParts, instance: Instance, supplies: Supplies): Readonly<Record<string, string>> {
  return instanceEnvironment(instance, { host, path, dataFolder: folders.data(instance), ...supplies });
}

/** Starts the next attempt. K2: its number and its token are on disk before, so that even a start that fails has an attempt of its own and no process is lost. */
export async function launch(
  world: World,
  parts: KeeperParts,
  { journal, instance, supplies }: { readonly journal: InstanceJournal; readonly instance: Instance; readonly supplies: Supplies },
): Promise<{ readonly process: RunningProcess; readonly output: LogFile }> {
  const { folders, logs, bootId, runtimes } = parts;
  const { port } = supplies;
  const attempt = journal.state.attempt + 1;
  await world.disk.makeDirectory(folders.data(instance));
  const output = await logs.open(instance, attempt);
  try {
    const token = newProcessToken(world.random);
    const stage = { kind: 'starting', token, bootId, since: momentNow(world.clock) } as const;
    await journal.becomeDurably({ ...journal.state, attempt, ...(port === undefined ? {} : { port }), stage });
    const environment = environmentOf(parts, instance, supplies);
    const process = await runtimes[instance.spec.run.kind].start({ instance, environment, outputPath: output.path, token });
    return { process, output };
  } catch (error) {
    await logs.close(output);
    throw error;
  }
}

/** How a start ended that could not be made. */
export function failedStart(error: PlatformError): End {
  return error.code === 'NOT_FOUND' || error.code === 'DENIED' ? { why: 'command-missing', reason: error.message } : notReady(error);
}

function notReady(error: PlatformError): End {
  return { why: 'not-ready', reason: `cannot be started yet: ${error.message}` };
}
