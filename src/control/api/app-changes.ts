import { PlatformError } from '#base/errors';
import type { Name } from '#base/name';
import { type App, effectiveApp, type Release } from '#model/app';
import type { Instance } from '#model/instance';
import { keyOf } from '#model/keys';
import { nearest } from '#model/nearest';
import type { AppSpec, ServiceSpec } from '#model/spec';
import { MAX_COUNT } from '#model/spec-schema';
import { canonical } from '#policy/rollout/template';
import type { Compare, Operation, Store } from '#store/store';
import type { UnixMs } from '#world/world';
import { readOne, readPrefix, type Stored } from './cluster-state.ts';

/** How often a change is decided again because somebody else changed the app meanwhile. */
const MAX_TRIES = 8;

export interface DeployOptions {
  readonly spec: AppSpec;
  readonly artifact?: string;
  /** Strict: only if the app is at this revision (0 = does not exist). Without it the latest deploy wins (R9). */
  readonly ifRevision?: number;
  readonly rollbackOf?: number;
  readonly now: UnixMs;
}

/** What became of a deploy; `changed` is false if exactly this is wanted already. */
export interface Deployed {
  readonly release: number;
  readonly changed: boolean;
  readonly revision: number;
}

/** Makes a release the one that is wanted. CONFLICT if `ifRevision` does not hold or the app is being removed. */
export async function deploy(store: Store, app: Name, options: DeployOptions): Promise<Deployed> {
  return await retried(app, async () => {
    const current = await readOne<App>(store, keyOf.app(app));
    const { ifRevision } = options;
    const revision = current?.modRevision ?? 0;
    if (ifRevision !== undefined && ifRevision !== revision) {
      throw new PlatformError('CONFLICT', `Cannot deploy ${app}, because it is at revision ${revision}, not ${ifRevision}: somebody changed it meanwhile`, {
        expected: ifRevision,
        actual: revision,
        next: `haven plan`,
      });
    }
    if (current?.value.removing) {
      throw new PlatformError('CONFLICT', `Cannot deploy ${app}, because it is being removed`, { next: `haven status ${app}` });
    }
    const releases = await readPrefix<Release>(store, keyOf.releasesOf(app));
    const wanted = releases.find(({ value }) => value.number === current?.value.release)?.value;
    if (current && wanted && isSame(wanted, options) && (wanted.outcome.kind === 'stable' || wanted.outcome.kind === 'rolling')) {
      return { release: wanted.number, changed: false, revision };
    }
    const number = (releases.at(-1)?.value.number ?? 0) + 1;
    const counts = keptCounts(current?.value, { before: wanted?.spec, after: options.spec });
    const release: Release = {
      app,
      number,
      spec: options.spec,
      ...(options.artifact === undefined ? {} : { artifact: options.artifact }),
      createdAt: options.now,
      ...(options.rollbackOf === undefined ? {} : { rollbackOf: options.rollbackOf }),
      ...(options.spec.releaseCommand === undefined ? {} : goesOnWith(current?.value, wanted, counts)),
      outcome: { kind: 'rolling' },
    };
    const next: App = {
      name: app,
      release: number,
      counts,
      removing: false,
      activeSlots: keptSlots(current?.value, options.spec),
      ...(current?.value.restarts === undefined ? {} : { restarts: current.value.restarts }),
    };
    return await commit(store, {
      compare: [unchangedAt(keyOf.app(app), revision), unchangedAt(keyOf.release(app, number), 0)],
      put: [
        [keyOf.release(app, number), release],
        [keyOf.app(app), next],
      ],
      answer: (committed) => ({ release: number, changed: true, revision: committed }),
    });
  });
}

/** Deploys an earlier release again: the given one, or the last stable one that differs from what is wanted. NOT_FOUND if there is none. */
export async function rollback(store: Store, app: Name, options: { readonly to?: number; readonly now: UnixMs }): Promise<Deployed> {
  const current = await existing(store, app);
  const releases = (await readPrefix<Release>(store, keyOf.releasesOf(app))).map(({ value }) => value);
  const wanted = releases.find((release) => release.number === current.value.release);
  const { to } = options;
  const target =
    to === undefined
      ? releases.findLast((release) => release.outcome.kind === 'stable' && release.number < current.value.release && !(wanted && isSame(wanted, release)))
      : releases.find((release) => release.number === to);
  if (!target) {
    const why = to === undefined ? 'no earlier release was ever healthy with another content' : `it has no release ${to}`;
    throw new PlatformError('NOT_FOUND', `Cannot roll ${app} back, because ${why}`, {
      next: `haven status ${app}`,
      releases: releases.map(({ number }) => number),
    });
  }
  const { spec, artifact, number: rollbackOf } = target;
  return await deploy(store, app, { spec, ...(artifact === undefined ? {} : { artifact }), rollbackOf, now: options.now });
}

/** What became of a smaller change. */
export interface Changed {
  readonly changed: boolean;
  readonly revision: number;
}

/** Sets how many instances a service has, until a deploy changes the count of its config. */
export async function scale(store: Store, app: Name, change: { readonly service: string; readonly count: number }): Promise<Changed> {
  return await changeApp(store, app, async (current) => {
    const spec = await serviceOf(store, current, change.service);
    const { [change.service]: before, ...others } = current.counts;
    if ((before ?? spec.count) === change.count) return undefined;
    if (change.count > MAX_COUNT) throw new PlatformError('INVALID', `Cannot scale ${app}/${change.service} above ${MAX_COUNT}`);
    return { ...current, counts: change.count === spec.count ? others : { ...others, [change.service]: change.count } };
  });
}

/** Makes another slot of an active/standby service the active one: the given one, else the next. UNSUPPORTED for a balanced service. */
export async function switchActive(
  store: Store,
  app: Name,
  change: { readonly service: string; readonly slot?: number; readonly active?: number; readonly standbys: readonly number[] },
): Promise<Changed> {
  return await changeApp(store, app, async (current) => {
    const spec = await serviceOf(store, current, change.service);
    if (spec.mode !== 'active-standby') {
      throw new PlatformError('UNSUPPORTED', `Cannot switch ${app}/${change.service}, because it is balanced: all its instances are active`, {});
    }
    const active = current.activeSlots[change.service] ?? change.active;
    const slot = change.slot ?? change.standbys.find((candidate) => candidate !== active);
    const count = current.counts[change.service] ?? spec.count;
    if (slot === undefined) {
      throw new PlatformError('NOT_FOUND', `Cannot switch ${app}/${change.service}, because no healthy instance stands by`, {
        next: `haven why ${app}/${change.service}`,
      });
    }
    if (slot < 1 || slot > count)
      throw new PlatformError('INVALID', `Cannot switch ${app}/${change.service} to slot ${slot}, because its slots are 1 to ${count}`);
    return slot === active ? undefined : { ...current, activeSlots: { ...current.activeSlots, [change.service]: slot } };
  });
}

/** Asks control to stop all of the app and then to delete it. Once asked, asking again changes nothing. */
export async function remove(store: Store, app: Name): Promise<Changed> {
  return await changeApp(store, app, async (current) => (current.removing ? undefined : { ...current, removing: true }));
}

/** Asks control to replace a service's instances, or that of one slot, one after the other as in an update. */
export async function restart(store: Store, app: Name, change: { readonly service: string; readonly slot?: number }): Promise<Changed> {
  await meantInstances(store, app, change);
  return await changeApp(store, app, async (current) => {
    const { service, slot } = change;
    const others = Object.entries(current.restarts ?? {}).filter(([key]) => slot !== undefined || !key.startsWith(`${service}.`));
    const generation = Math.max(0, ...Object.entries(current.restarts ?? {}).flatMap(([key, value]) => (key.split('.')[0] === service ? [value] : []))) + 1;
    return { ...current, restarts: { ...Object.fromEntries(others), [slot === undefined ? service : `${service}.${slot}`]: generation } };
  });
}

/** Asks the agents for a new attempt of a service's instances where they are, all at the same time: for the operator who cannot wait. */
export async function restartInPlace(store: Store, app: Name, change: { readonly service: string; readonly slot?: number }): Promise<Changed> {
  const { revision, instances } = await meantInstances(store, app, change);
  for (const { key } of instances) {
    await retried(app, async () => {
      const instance = await readOne<Instance>(store, key);
      if (!instance) return { changed: false, revision: 0 };
      const next: Instance = { ...instance.value, restartNonce: instance.value.restartNonce + 1 };
      return await commit(store, {
        compare: [unchangedAt(key, instance.modRevision)],
        put: [[key, next]],
        answer: (revision) => ({ changed: true, revision }),
      });
    });
  }
  return { changed: true, revision };
}

/** The instances a restart is about. NOT_FOUND if there are none. */
async function meantInstances(
  store: Store,
  app: Name,
  { service, slot }: { readonly service: string; readonly slot?: number },
): Promise<{ readonly revision: number; readonly instances: readonly Stored<Instance>[] }> {
  const current = await existing(store, app);
  const spec = await serviceOf(store, current.value, service);
  const all = await readPrefix<Instance>(store, keyOf.instancesOf(app, spec.name));
  const instances = all.filter(({ value }) => value.intent.kind === 'run' && (slot ?? value.slot) === value.slot);
  if (instances.length > 0) return { revision: current.modRevision, instances };
  const what = slot === undefined ? `${app}/${spec.name}` : `${app}/${spec.name}.${slot}`;
  throw new PlatformError('NOT_FOUND', `Cannot restart ${what}, because no instance of it runs`, { next: `haven ps ${app}` });
}

/** The app, or NOT_FOUND with the name that was probably meant. */
export async function existing(store: Store, app: Name): Promise<Stored<App>> {
  const current = await readOne<App>(store, keyOf.app(app));
  if (current) return current;
  const names = (await readPrefix<App>(store, '/apps/')).map(({ value }) => value.name);
  const meant = nearest(app, names);
  throw new PlatformError('NOT_FOUND', `Cannot find app "${app}"${meant ? `; did you mean "${meant}"?` : ''}`, { apps: names, next: 'haven status' });
}

/** The service in the release an app wants, or NOT_FOUND with those it has. */
export async function serviceOf(store: Store, app: App, service: string): Promise<ServiceSpec> {
  const release = await readOne<Release>(store, keyOf.release(app.name, app.release));
  const services = release?.value.spec.services ?? {};
  const spec = Object.hasOwn(services, service) ? services[service] : undefined;
  if (spec) return spec;
  const names = Object.keys(services);
  throw new PlatformError('NOT_FOUND', `Cannot find service "${service}" in app "${app.name}", which has ${names.join(', ') || 'none'}`, { services: names });
}

async function changeApp(store: Store, app: Name, change: (current: App) => Promise<App | undefined>): Promise<Changed> {
  return await retried(app, async () => {
    const current = await existing(store, app);
    const next = await change(current.value);
    if (!next) return { changed: false, revision: current.modRevision };
    const key = keyOf.app(app);
    return await commit(store, { compare: [unchangedAt(key, current.modRevision)], put: [[key, next]], answer: (revision) => ({ changed: true, revision }) });
  });
}

/** Repeats what lost a race: `undefined` means that somebody else was first. */
async function retried<Outcome>(app: Name, attempt: () => Promise<Outcome | undefined>): Promise<Outcome> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const outcome = await attempt();
    if (outcome !== undefined) return outcome;
  }
  throw new PlatformError('CONFLICT', `Cannot change ${app}, because others change it all the time`, { tries: MAX_TRIES });
}

async function commit<Outcome>(
  store: Store,
  change: {
    readonly compare: readonly Compare[];
    readonly put: readonly (readonly [key: string, value: unknown])[];
    readonly answer: (revision: number) => Outcome;
  },
): Promise<Outcome | undefined> {
  const puts: Operation[] = change.put.map(([key, value]) => ({ kind: 'put', key, value: JSON.stringify(value) }));
  const result = await store.transact({ compare: change.compare, then: puts });
  return result.succeeded ? change.answer(result.revision) : undefined;
}

function unchangedAt(key: string, revision: number): Compare {
  return { key, target: 'modRevision', is: '=', to: revision };
}

function isSame(a: Pick<Release, 'spec' | 'artifact'>, b: { readonly spec: AppSpec; readonly artifact?: string }): boolean {
  return a.artifact === b.artifact && canonical(a.spec) === canonical(b.spec);
}

/** Counts set by `scale` stay unless this deploy changes the count of the config, or drops the service. */
export function keptCounts(app: App | undefined, specs: { readonly before: AppSpec | undefined; readonly after: AppSpec }): App['counts'] {
  const entries = Object.entries(app?.counts ?? {}).filter(([service]) => {
    const after = specs.after.services[service];
    return after !== undefined && after.count === specs.before?.services[service]?.count;
  });
  return Object.fromEntries(entries);
}

/** What an app goes on with while the release command of its next release runs: with what it has, or, if that waits for a command itself, with what was before. */
function goesOnWith(app: App | undefined, wanted: Release | undefined, keptCounts: App['counts']): Pick<Release, 'before'> {
  const effective = app && effectiveApp(app, wanted);
  if (effective === undefined) return {};
  const dropped = Object.fromEntries(Object.entries(effective.counts).filter(([service]) => keptCounts[service] === undefined));
  return { before: { release: effective.release, counts: dropped } };
}

function keptSlots(app: App | undefined, spec: AppSpec): App['activeSlots'] {
  return Object.fromEntries(Object.entries(app?.activeSlots ?? {}).filter(([service]) => spec.services[service]?.mode === 'active-standby'));
}
