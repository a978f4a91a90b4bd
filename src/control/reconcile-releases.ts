import { type App, effectiveApp, type Release } from '#model/app';
import { keyOf } from '#model/keys';
import type { Mirrored } from '#model/mirror';
import { deleteKey, putJson, unchanged } from './leader-writer.ts';
import { note, type Pass } from './pass.ts';
import { hasReleaseCommands } from './reconcile-release-commands.ts';

/** Releases deleted by one pass. */
const MAX_DELETED_PER_PASS = 50;

/** Outcomes of releases, their retention, and the end of a removed app. */
export async function reconcileReleases(pass: Pass): Promise<void> {
  for (const app of pass.snapshot.apps.values()) {
    await pass.attempt(`releases/${app.value.name}`, async () => {
      const releases = [...(pass.snapshot.releases.get(app.value.name)?.values() ?? [])];
      if (app.value.removing) return await removeApp(pass, app);
      for (const release of releases) await judge(pass, app, release);
      await retain(pass, app.value, releases);
    });
  }
}

async function judge(pass: Pass, app: Mirrored<App>, { key, value: release, modRevision }: Mirrored<Release>): Promise<void> {
  if (release.outcome.kind !== 'rolling') return;
  const outcome = outcomeOf(pass, app.value, release);
  if (outcome === undefined) return;
  // The app is compared too: a deploy in between must not find its predecessor called stable by a look that is too old.
  const compare = [unchanged(key, modRevision), unchanged(app.key, app.modRevision)];
  const isWritten = await pass.writer.write({ compare, operations: [putJson(key, { ...release, outcome })] });
  if (!isWritten) return;
  const message = outcome.kind === 'stable' ? `release ${release.number} is stable` : `release ${release.number} was superseded by ${app.value.release}`;
  note(pass, `app/${app.value.name}`, { kind: `release-${outcome.kind}`, message });
}

function outcomeOf(pass: Pass, app: App, release: Release): Release['outcome'] | undefined {
  const effective = effectiveApp(app, pass.snapshot.releases.get(app.name)?.get(app.release)?.value);
  // While a release command runs, the release before goes on towards its own end.
  if (release.number !== app.release && release.number !== effective?.release) return { kind: 'superseded', at: pass.now, by: app.release };
  const states = Object.keys(release.spec.services).map((service) => pass.snapshot.services.get(`${app.name}/${service}`)?.value);
  const isStable = states.every((state) => state?.rollout.phase === 'idle' && state.rollout.release === release.number);
  return isStable ? { kind: 'stable', at: pass.now } : undefined;
}

/** Keeps the newest releases, and of the older ones those in use: the wanted, the last stable, and whatever still runs. */
async function retain(pass: Pass, app: App, releases: readonly Mirrored<Release>[]): Promise<void> {
  const surplus = releases.slice(0, Math.max(0, releases.length - pass.options.maxReleases));
  if (surplus.length === 0) return;
  const lastStable = releases.findLast(({ value }) => value.outcome.kind === 'stable')?.value.number;
  const running = [...pass.snapshot.instancesOf.values()].flat().filter(({ value }) => value.app === app.name);
  const states = [...pass.snapshot.services.values()].filter(({ value }) => value.app === app.name).map(({ value }) => value.rollout);
  const inUse = new Set([
    app.release,
    releases.find(({ value }) => value.number === app.release)?.value.before?.release,
    lastStable,
    ...running.map(({ value }) => value.release),
    ...states.flatMap((rollout) => [
      rollout.release,
      rollout.phase === 'failed' ? rollout.revertTo : undefined,
      rollout.phase === 'rolling' ? rollout.from : undefined,
    ]),
  ]);
  const deleted = surplus.filter(({ value }) => !inUse.has(value.number)).slice(0, MAX_DELETED_PER_PASS);
  if (deleted.length === 0) return;
  await pass.writer.write({ compare: deleted.map((item) => unchanged(item.key, item.modRevision)), operations: deleted.map((item) => deleteKey(item.key)) });
}

/** The last step of `rm`: every service is gone, so all that is left of the app goes at once. */
async function removeApp(pass: Pass, { key, value: app, modRevision }: Mirrored<App>): Promise<void> {
  if ([...pass.snapshot.services.values()].some(({ value }) => value.app === app.name) || hasReleaseCommands(pass, app)) return;
  const prefixes = [keyOf.releasesOf(app.name), keyOf.eventsOf(`app/${app.name}`), keyOf.eventsOf(`service/${app.name}`)];
  const operations = [deleteKey(key), ...prefixes.map((prefix) => ({ kind: 'delete' as const, range: { prefix } }))];
  if (await pass.writer.write({ compare: [unchanged(key, modRevision)], operations }))
    note(pass, 'cluster', { kind: 'app-removed', message: `app ${app.name} is removed` });
}
