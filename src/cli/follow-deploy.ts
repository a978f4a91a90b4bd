import type { DeployEvent, HavenClient, ServiceView } from '@haven/sdk';
import { formatDuration } from '#base/duration';
import { PlatformError } from '#base/errors';
import { certificatePathIn } from '#gateway/tls/authority-folder';
import type { CommandContext } from './command.ts';
import { DeployProgress } from './deploy-progress.ts';
import { type DeployResult, exitCodeOfDeploy, failureLines, successLine, urlsOf } from './deploy-result.ts';
import { EXIT } from './exit-codes.ts';
import { addressesOf, httpsAddressOf, pathsOf } from './home.ts';
import { LiveScreen } from './live-screen.ts';
import { bounded, timeIsUp } from './polling.ts';
import { resumed } from './resumed.ts';

const REDRAW_MS = 100;

/** What to follow, and for how long. */
export interface Follow {
  readonly app: string;
  readonly release: number;
  readonly timeoutMs: number | undefined;
  /** False: it ran already, or was on its way. */
  readonly changed: boolean;
}

/**
 * Shows a deploy until it ends; resolves to the exit code that tells how. Ctrl-C detaches: the control plane carries the deploy, not this command.
 * TIMEOUT when it has not ended in time.
 */
export async function followDeploy(context: CommandContext, client: HavenClient, follow: Follow): Promise<number> {
  const { output, signal } = context;
  const { app, release, timeoutMs, changed } = follow;
  const startedAt = performance.now();
  const progress = new DeployProgress({ app, release, nowMs: startedAt });
  using limit = bounded(signal, timeoutMs);
  try {
    // Known first, so that each instance can be shown as one of so many.
    for (const service of await servicesOf(client, app, limit.signal)) progress.take({ kind: 'service', service }, startedAt);
    let isTold = false;
    const events = resumed(() => client.followDeploy(app, release, { signal: limit.signal }), {
      signal: limit.signal,
      onAway: () => {
        if (!isTold) output.progress('The control plane does not answer; waiting for it');
        isTold = true;
      },
    });
    const result = await lastOf(context, events, progress);
    return await conclude(context, client, { result, progress, tookMs: performance.now() - startedAt, changed });
  } catch (error) {
    if (limit.isLate() && timeoutMs !== undefined) {
      throw timeIsUp(`Release ${release} of ${app} is still being deployed after ${formatDuration(timeoutMs)}; it goes on. Next: haven status ${app}`, {
        app,
        release,
      });
    }
    if (!signal.aborted) throw error;
    output.fail(`Stopped following; the deploy goes on. Next: haven status ${app}`);
    return EXIT.interrupted;
  }
}

async function servicesOf(client: HavenClient, app: string, signal: AbortSignal): Promise<readonly ServiceView[]> {
  const { apps } = await client.status({ signal });
  return apps.find(({ name }) => name === app)?.services ?? [];
}

async function lastOf(context: CommandContext, events: AsyncIterable<DeployEvent>, progress: DeployProgress): Promise<DeployResult> {
  const { output } = context;
  using screen = output.interactive ? new LiveScreen(process.stderr) : undefined;
  const redraw = () => screen?.draw(progress.block(performance.now()));
  const tick = () => {
    // On a screen the block tells why a service waits.
    for (const line of screen || output.json ? [] : progress.overdue(performance.now())) output.progress(line);
    redraw();
  };
  const timer = setInterval(tick, REDRAW_MS);
  try {
    for await (const event of events) {
      if (event.kind === 'heartbeat') continue;
      const lines = progress.take(event, performance.now());
      if (event.kind === 'result') {
        redraw();
        return event;
      }
      if (output.json) output.record(event);
      // On a screen the block tells of instances; only what it has no place for stays above it.
      else if (!screen) for (const line of lines) output.progress(line);
      else if (event.kind === 'event') for (const line of lines) screen.print(line);
    }
  } finally {
    clearInterval(timer);
  }
  throw new PlatformError('UNAVAILABLE', 'Cannot tell how the deploy ended, because the cluster ended its stream');
}

async function conclude(
  { output, home, signal }: CommandContext,
  client: HavenClient,
  end: { readonly result: DeployResult; readonly progress: DeployProgress; readonly tookMs: number; readonly changed: boolean },
): Promise<number> {
  const { result, progress, tookMs, changed } = end;
  const code = exitCodeOfDeploy(result);
  const gateway = await client.status({ signal }).then(
    (status) => status.gateways[0],
    () => undefined,
  );
  const urls = code === EXIT.ok ? urlsOf(progress.services, gateway ?? { address: addressesOf(home).gateway, httpsAddress: httpsAddressOf(home) }) : [];
  if (output.json) {
    output.record({ ...result, tookMs: Math.round(tookMs), urls });
    return code;
  }
  if (code === EXIT.ok) {
    output.progress(successLine(result, { services: progress.services, ...(changed ? { tookMs } : {}) }));
    for (const url of urls) output.data(url);
    if (urls.some((url) => url.startsWith('https:')))
      output.progress(`Certificates come from the cluster's own authority, which clients have to trust: ${certificatePathIn(pathsOf(home).authority)}`);
  }
  for (const line of failureLines(result)) output.fail(line);
  return code;
}
