import type { DeployEvent, EventView, ServiceResult } from '@haven/sdk';
import { PlatformError } from '#base/errors';
import type { Name } from '#base/name';
import type { Release, ServiceState } from '#model/app';
import type { Event } from '#model/event';
import { PREFIX } from '#model/keys';
import type { StoreView, ViewBatch } from '#model/store-view';
import type { Store } from '#store/store';
import type { World } from '#world/world';
import { type ClusterState, readPrefix, readState } from './cluster-state.ts';
import { instanceViews, serviceViews } from './views.ts';

/** Changes come in bursts: the state is read once for those of so long. */
const BURST_MS = 30;

interface FollowParts {
  readonly world: Pick<World, 'clock'>;
  readonly store: Store;
  readonly view: StoreView;
}

/** Everything that happens to an app from here on until the release's deploy is over; the result is the last. NOT_FOUND if there is no such release. */
export async function followDeploy(
  parts: FollowParts,
  options: { readonly app: Name; readonly release: number; readonly signal: AbortSignal },
): Promise<AsyncIterable<DeployEvent>> {
  const state = await readState(parts);
  if (!releaseIn(state, options)) {
    throw new PlatformError('NOT_FOUND', `Cannot follow release ${options.release} of ${options.app}, because there is none`, {
      next: `haven status ${options.app}`,
    });
  }
  return deployEvents(parts, { ...options, state });
}

async function* deployEvents(
  parts: FollowParts,
  options: { readonly app: Name; readonly release: number; readonly signal: AbortSignal; readonly state: ClusterState },
): AsyncGenerator<DeployEvent, void, undefined> {
  const { app, signal } = options;
  let { state } = options;
  const ended = new AbortController();
  const batches = parts.view.watch('', { fromRevision: state.revision + 1, signal: AbortSignal.any([signal, ended.signal]) });
  try {
    const shown = new Shown(app, options.release);
    const since = releaseIn(state, options)?.createdAt ?? 0;
    for (const event of await eventsOf(parts.store, app)) if (event.at >= since) yield { kind: 'event', event };
    yield* shown.changes(state);
    let result = resultOf(state, options);
    if (!result) {
      for await (const batch of batches) {
        for (const event of eventsIn(batch, app)) yield { kind: 'event', event };
        if (batch.revision <= state.revision || !batch.events.some((change) => concerns(app, keyOfChange(change)))) continue;
        await parts.world.clock.sleep(BURST_MS, signal);
        state = await readState(parts);
        yield* shown.changes(state);
        result = resultOf(state, options);
        if (result) break;
      }
    }
    if (result) yield result;
  } finally {
    ended.abort();
  }
}

/** What the reader has seen, so that only what changed is sent. */
class Shown {
  readonly #app: Name;
  readonly #followed: number;
  readonly #servicesByName = new Map<string, string>();
  #command = '';
  readonly #instancesById = new Map<string, { readonly name: string; readonly text: string }>();

  constructor(app: Name, followed: number) {
    this.#app = app;
    this.#followed = followed;
  }

  changes(state: ClusterState): DeployEvent[] {
    const app = state.apps.find(({ value }) => value.name === this.#app)?.value;
    const release = app && state.releases.find(({ value }) => value.app === app.name && value.number === app.release)?.value;
    const instances = instanceViews(state, { app: this.#app });
    const events: DeployEvent[] = [];
    const followed = releaseIn(state, { app: this.#app, release: this.#followed });
    const command = followed && commandEvent(followed);
    if (command !== undefined && JSON.stringify(command) !== this.#command) events.push(command);
    if (command !== undefined) this.#command = JSON.stringify(command);
    for (const instance of instances) {
      // Use and output change all the time and are not what a deploy is about.
      const { usage: _usage, ...told } = instance;
      const text = JSON.stringify(told);
      if (this.#instancesById.get(instance.id)?.text === text) continue;
      this.#instancesById.set(instance.id, { name: instance.name, text });
      events.push({ kind: 'instance', instance });
    }
    for (const [id, { name }] of this.#instancesById) {
      if (instances.some((instance) => instance.id === id)) continue;
      this.#instancesById.delete(id);
      events.push({ kind: 'instance-gone', id, name });
    }
    for (const service of app ? serviceViews(state, app, release) : []) {
      const text = JSON.stringify(service);
      if (this.#servicesByName.get(service.service) === text) continue;
      this.#servicesByName.set(service.service, text);
      events.push({ kind: 'service', service });
    }
    return events;
  }
}

function commandEvent({ command, outcome }: Release): DeployEvent | undefined {
  if (command === undefined) return undefined;
  const isFailed = command.kind !== 'passed' && (outcome.kind === 'failed' || outcome.kind === 'reverted');
  if (isFailed) return { kind: 'release-command', state: 'failed', at: outcome.at, reason: outcome.cause.message };
  switch (command.kind) {
    case 'waiting':
      return { kind: 'release-command', state: 'waiting', at: command.since, reason: command.reason };
    case 'running':
      return { kind: 'release-command', state: 'running', at: command.since, node: command.node };
    case 'passed':
      return { kind: 'release-command', state: 'passed', at: command.at };
  }
}

function releaseIn(state: ClusterState, wanted: { readonly app: Name; readonly release: number }): Release | undefined {
  return state.releases.find(({ value }) => value.app === wanted.app && value.number === wanted.release)?.value;
}

function resultOf(state: ClusterState, wanted: { readonly app: Name; readonly release: number }): DeployEvent | undefined {
  const { app, release: number } = wanted;
  const services = serviceResults(state, app);
  const runs = runsNow(services);
  const base = { kind: 'result', app, release: number, ...(runs === undefined ? {} : { runs }), ...(services.length === 0 ? {} : { services }) } as const;
  const outcome = releaseIn(state, wanted)?.outcome;
  switch (outcome?.kind) {
    case undefined:
      return { ...base, outcome: 'removed' };
    case 'rolling':
      return undefined;
    case 'stable':
      return { ...base, runs: number, outcome: 'stable' };
    case 'superseded':
      return { ...base, outcome: 'superseded', supersededBy: outcome.by };
    case 'reverted':
      return { ...base, outcome: 'reverted', cause: outcome.cause };
    case 'failed':
      return { ...base, outcome: 'failed', cause: outcome.cause };
  }
}

function serviceResults(state: ClusterState, app: Name): ServiceResult[] {
  return state.services
    .map(({ value }) => value)
    .filter((service) => service.app === app)
    .map(({ service, rollout }) => {
      const runs = releaseOfService(state, { app, service, rollout });
      return { service, phase: rollout.phase === 'idle' && rollout.release === 0 ? 'waiting' : rollout.phase, ...(runs === undefined ? {} : { runs }) };
    });
}

/** The release a service runs, or goes back to; none while it is on its way, and when nothing of it is to run. */
function releaseOfService(state: ClusterState, { app, service, rollout }: Pick<ServiceState, 'app' | 'service' | 'rollout'>): number | undefined {
  switch (rollout.phase) {
    case 'idle':
      return rollout.release === 0 ? undefined : rollout.release;
    case 'rolling':
      return undefined;
    case 'failed': {
      if (rollout.revertTo !== undefined) return rollout.revertTo;
      // Without a release to go back to, whatever is older stays.
      const own = state.instances.map(({ value }) => value).filter((instance) => instance.app === app && instance.service === service);
      const older = own.filter((instance) => instance.intent.kind === 'run' && instance.release !== rollout.release);
      return older.length === 0 ? undefined : Math.max(...older.map((instance) => instance.release));
    }
  }
}

/** What the whole app runs, if that is one release. */
function runsNow(services: readonly ServiceResult[]): number | undefined {
  const releases = new Set(services.map((service) => service.runs));
  const [only] = releases;
  return releases.size === 1 ? only : undefined;
}

function concerns(app: Name, key: string): boolean {
  if (key.startsWith(PREFIX.gateways)) return true;
  const [, area, first = ''] = key.split('/');
  if (area === 'apps' || area === 'releases' || area === 'services' || area === 'routes') return first === app;
  return (area === 'instances' || area === 'statuses') && first.startsWith(`${app}.`);
}

function keyOfChange(change: ViewBatch['events'][number]): string {
  return change.kind === 'put' ? change.item.key : change.key;
}

/** True for events of the app, its services and its instances. */
export function isOfApp(object: string, app: string): boolean {
  return object === `app/${app}` || object.startsWith(`service/${app}/`) || object.startsWith(`instance/${app}.`);
}

/** What is known of an app, a service, an instance, … oldest first. */
export async function eventsOf(store: Store, app: string): Promise<EventView[]> {
  const events = await Promise.all([`app/${app}/`, `service/${app}/`, `instance/${app}.`].map((start) => readPrefix<Event>(store, `${PREFIX.events}${start}`)));
  return inOrder(events.flat().map(({ key, value }) => eventView(key, value)));
}

/** Events that a batch of changes brought, of an app if one is named. */
export function eventsIn(batch: ViewBatch, app?: string): EventView[] {
  return batch.events.flatMap((change) => {
    if (change.kind !== 'put' || !change.item.key.startsWith(PREFIX.events)) return [];
    const event = JSON.parse(change.item.value) as Event;
    return app === undefined || isOfApp(event.object, app) ? [eventView(change.item.key, event)] : [];
  });
}

/** An event as the API shows it. */
export function eventView(key: string, event: Event): EventView {
  const { object, at, level, kind, message } = event;
  return { id: key.slice(PREFIX.events.length), object, at, level, kind, message };
}

/** Oldest first; of one moment in the order of their ids. */
export function inOrder(events: readonly EventView[]): EventView[] {
  return [...events].sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
}
