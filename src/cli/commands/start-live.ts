import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../client.ts';
import type { CommandContext } from '../command.ts';
import { LiveScreen } from '../live-screen.ts';
import { formatMoment, paint, printable } from '../output.ts';
import { readSnapshot } from '../read-snapshot.ts';
import { renderStatus, type StatusSnapshot } from '../status-view.ts';

const LOOK_MS = 1_000;
/** Without a terminal, a line at least so often: a sign of life. */
const PLAIN_MS = 60_000;
const HINT = 'Ctrl-C stops Haven and all it started';

/** Until Ctrl-C, or until Haven was stopped from elsewhere: a screen that is drawn again each second; without a terminal a line when something changes, and one each minute. */
export async function showLive(context: CommandContext, isUp: () => Promise<boolean>): Promise<void> {
  const { output, home, signal } = context;
  const client = await connect(home);
  using screen = output.interactive ? new LiveScreen(process.stdout) : undefined;
  if (!screen) output.progress(HINT);
  let before = '';
  let shownAt = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    const snapshot = await readSnapshot(client, { signal }).catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
    if (signal.aborted || (snapshot instanceof Error && !(await isUp()))) return;
    if (screen) screen.draw(snapshot instanceof Error ? [snapshot.message, '', paint('dim', HINT)] : [...renderStatus(snapshot), '', paint('dim', HINT)]);
    else {
      const situation = snapshot instanceof Error ? snapshot.message : situationOf(snapshot);
      if (situation !== before || performance.now() - shownAt >= PLAIN_MS) {
        tell(context, snapshot, situation);
        shownAt = performance.now();
      }
      before = situation;
    }
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

function tell({ output }: CommandContext, snapshot: StatusSnapshot | Error, situation: string): void {
  if (output.json) {
    output.record(
      snapshot instanceof Error
        ? { error: { message: snapshot.message } }
        : { ...snapshot.status, instances: snapshot.instances, ...(snapshot.traffic === undefined ? {} : { traffic: snapshot.traffic.services }) },
    );
    return;
  }
  const traffic = snapshot instanceof Error ? '' : trafficOf(snapshot);
  const [first = '', ...rest] = situation.split('\n');
  for (const line of [`${formatMoment(Date.now())}  ${first}${traffic}`, ...rest]) output.data(line);
}

/** What a person wants to be told of when it changes: `3 of 3 nodes ready · shop running, 5 of 5 healthy`, then what needs attention. */
export function situationOf({ status }: StatusSnapshot): string {
  const ready = status.nodes.filter(({ condition }) => condition === 'ready').length;
  const apps = status.apps.map(({ name, state, services }) => {
    const sum = (key: 'healthy' | 'count') => services.reduce((total, service) => total + service[key], 0);
    return `${name} ${state}, ${sum('healthy')} of ${sum('count')} healthy`;
  });
  const head = [`${ready} of ${status.nodes.length} nodes ready`, ...(apps.length === 0 ? ['no apps'] : apps)].join(' · ');
  return [head, ...status.attention.map((sentence) => `  needs attention: ${printable(sentence)}`)].join('\n');
}

/** ` · shop/web 65.2 requests/s, p50 1.5 ms, p95 8.2 ms, p99 25.0 ms, 0 errors`, for each service that is asked. */
function trafficOf({ traffic }: StatusSnapshot): string {
  return Object.entries(traffic?.services ?? {})
    .filter(([, { requestsPerSecond }]) => requestsPerSecond > 0)
    .map(([service, { requestsPerSecond, p50Ms, p95Ms, p99Ms, errors }]) => {
      const times = Object.entries({ p50: p50Ms, p95: p95Ms, p99: p99Ms }).map(([name, value]) => `${name} ${value.toFixed(1)} ms`);
      return ` · ${service} ${requestsPerSecond.toFixed(1)} requests/s, ${times.join(', ')}, ${errors} errors`;
    })
    .join('');
}
