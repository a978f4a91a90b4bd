import { toBytes } from '#base/bytes';
import { hasCode, PlatformError } from '#base/errors';
import { onAbort } from '#base/signal';
import type { Program, ProgramContext } from '#world/simulated/program';
import type { NetworkResponse, World } from '#world/world';

/** How a release of the simulated app behaves, written into its command line: `app QUALITY START-MS`. */
export type AppQuality =
  | 'good'
  /** Exits with code 1 instead of listening. */
  | 'crashes'
  /** Does its work until it has started, and ends with code 0. */
  | 'ends'
  /** Runs and never listens. */
  | 'never-listens'
  /** Answers every check with 503. */
  | 'sick'
  /** Ignores SIGTERM. */
  | 'stubborn';

/** Tokens of processes that answer their checks with 503 from now on. Belongs to one simulation. */
export type SickProcesses = ReadonlySet<string>;

const answerMs = 4;
/** A request to this path takes so long, so that some are in flight when an instance is drained. */
const slowAnswerMs = 1_500;

/** The command line of a release. */
export function appCommand(quality: AppQuality, startMs: number): string {
  return `app ${quality} ${startMs}`;
}

/**
 * The program that instances run: serves `/healthz`, `/` and `/slow` on PORT some time after its start. On SIGTERM it ends at once and breaks off
 * whatever is in flight, so that a request sent too late or not waited for is a failed request.
 */
export function appProgram(sick: SickProcesses): Program {
  return async (context) => {
    const [quality = 'good', startMs = '0'] = context.arguments;
    await context.world.clock.sleep(Number(startMs), context.signal).catch(() => undefined);
    if (context.signal.aborted) return 0;
    if (quality === 'ends') return 0;
    if (quality === 'crashes') {
      context.print('Error: boom\n');
      return 1;
    }
    const ended = quality === 'stubborn' ? Promise.withResolvers<void>().promise : untilAborted(context.signal);
    if (quality === 'never-listens') {
      await ended;
      return 0;
    }
    return await serve(context, { ended, isSick: () => quality === 'sick' || sick.has(context.environment['HAVEN_TOKEN'] ?? '') });
  };
}

async function serve(
  { world, environment, print }: ProgramContext,
  { ended, isSick }: { readonly ended: Promise<void>; readonly isSick: () => boolean },
): Promise<number> {
  const address = { host: environment['HOST'] ?? '127.0.0.1', port: Number(environment['PORT']) };
  try {
    const server = await world.network.serve(address, async ({ path }) => {
      await world.clock.sleep(path === '/slow' ? slowAnswerMs : answerMs);
      return path === '/healthz' && isSick() ? respond(503, 'sick') : respond(200, environment['HAVEN_INSTANCE'] ?? '');
    });
    print('listening\n');
    await ended;
    await server[Symbol.asyncDispose]();
    return 0;
  } catch (error) {
    if (!hasCode(error, 'LOCKED')) throw error;
    print(`Error: listen EADDRINUSE: ${error.message}\n`);
    return 1;
  }
}

/** Resolves when the signal aborts. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  const ended = Promise.withResolvers<void>();
  using _listening = onAbort(signal, () => ended.resolve());
  await ended.promise;
}

function respond(status: number, text: string): NetworkResponse {
  return { status, headers: {}, body: once(toBytes(text)) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Asks `path` once: resolves when it was answered with 2xx, else rejects. */
export async function askApp(
  world: Pick<World, 'network'>,
  address: { readonly host: string; readonly port: number },
  { path, timeoutMs }: { readonly path: string; readonly timeoutMs: number },
): Promise<void> {
  const response = await world.network.request(address, { method: 'GET', path }, { timeoutMs });
  for await (const _chunk of response.body);
  if (response.status >= 300) throw new PlatformError('UNAVAILABLE', `GET ${path} answered ${response.status}`);
}
