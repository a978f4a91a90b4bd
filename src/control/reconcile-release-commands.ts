import { type App, effectiveApp, type FailureCause, isGated, type Release, type ReleaseCommandState } from '#model/app';
import { type Instance, instanceIdOf } from '#model/instance';
import { keyOf } from '#model/keys';
import type { Mirrored } from '#model/mirror';
import { later } from '#model/moment';
import { explainRefusal, place } from '#policy/placement/place';
import { RELEASE_SERVICE, releaseCommandEnd, releaseCommandFailure, releaseCommandTemplate } from '#policy/rollout/release-command';
import type { HostState } from '#policy/rollout/service-snapshot';
import type { Operation } from '#store/store';
import { serviceKey } from './cluster-snapshot.ts';
import { deleteKey, putJson, unchanged } from './leader-writer.ts';
import { hostStateOf } from './node-condition.ts';
import { note, type Pass } from './pass.ts';
import { placementNodes, portsOf } from './service-facts.ts';

/** How long a release command waits for a node that can take it. */
const PLACE_WITHIN_MS = 600_000;

interface Gate {
  readonly app: Mirrored<App>;
  readonly release: Mirrored<Release>;
}

/**
 * R11: the release command of a wanted release runs once, on one node, before anything of the release is placed. C1 that it was started is on record in the
 * transaction that makes its instance, so no other leader starts it again. C2 two of one app never run at the same time. C3 what is not known to have
 * passed has failed, and then the app is again what it was before.
 */
export async function reconcileReleaseCommands(pass: Pass): Promise<void> {
  for (const app of pass.snapshot.apps.values()) {
    await pass.attempt(`release-command/${app.value.name}`, async () => {
      const release = pass.snapshot.releases.get(app.value.name)?.get(app.value.release);
      const isOpen = !app.value.removing && release !== undefined && release.value.outcome.kind === 'rolling' && isGated(release.value);
      const instances = instancesOf(pass, app.value);
      const current = isOpen && release.value.command?.kind === 'running' ? release.value.command.instance : undefined;
      for (const instance of instances) if (instance.value.id !== current) await tidy(pass, instance);
      if (isOpen) await step(pass, { app, release }, instances);
    });
  }
}

/** True when every command of the app is gone. */
export function hasReleaseCommands(pass: Pass, app: App): boolean {
  return instancesOf(pass, app).length > 0;
}

function instancesOf(pass: Pass, { name }: App): readonly Mirrored<Instance>[] {
  return pass.snapshot.instancesOf.get(serviceKey(name, RELEASE_SERVICE)) ?? [];
}

/** Ends what nobody waits for any more, and then forgets it. */
async function tidy(pass: Pass, { key, value, modRevision }: Mirrored<Instance>): Promise<void> {
  const phase = pass.snapshot.statuses.get(value.id)?.value.phase;
  // D3: only the agent's word that nothing is left counts, or that the machine itself is gone.
  const isOver = phase === 'stopped' || hostOf(pass, value).kind === 'gone';
  if (!isOver && value.intent.kind === 'stop') return;
  const stopped: Instance = { ...value, epoch: pass.epoch, intent: { kind: 'stop', since: pass.now, reason: 'its deploy is over' } };
  await pass.writer.write({ compare: [unchanged(key, modRevision)], operations: isOver ? forgotten(value) : [putJson(key, stopped)] });
}

async function step(pass: Pass, gate: Gate, instances: readonly Mirrored<Instance>[]): Promise<void> {
  const { command } = gate.release.value;
  if (command?.kind === 'running') {
    const instance = instances.find(({ value }) => value.id === command.instance);
    return await follow(pass, gate, { command, instance });
  }
  const [other] = instances;
  // C2
  if (other !== undefined) return await wait(pass, gate, `the release command of release ${other.value.release} has to end first, on ${other.value.node}`);
  await start(pass, gate);
}

async function start(pass: Pass, gate: Gate): Promise<void> {
  const { app, release } = gate;
  const { name } = app.value;
  const template = releaseCommandTemplate(release.value, portsOf(pass.snapshot, name));
  const timeoutMs = release.value.spec.releaseCommand?.timeoutMs;
  if (template === undefined || timeoutMs === undefined) return;
  const { resources, placement } = template.spec;
  const placed = place({ app: name, service: RELEASE_SERVICE, resources, placement, avoid: new Set() }, placementNodes(pass.snapshot, pass.conditions));
  if (!placed.placed) {
    const reason = `the release command finds no node: ${explainRefusal(placed.reasons)}`;
    const isLate = release.value.command?.kind === 'waiting' && later(release.value.command.since, PLACE_WITHIN_MS) <= pass.now;
    return placed.lasting || isLate ? await fail(pass, gate, { code: 'not-placed', message: reason }) : await wait(pass, gate, reason);
  }
  const id = instanceIdOf(name, RELEASE_SERVICE, 1, release.value.number);
  const reason = `release command of release ${release.value.number}`;
  const instance: Instance = {
    ...template,
    id,
    app: name,
    service: RELEASE_SERVICE,
    slot: 1,
    serial: release.value.number,
    node: placed.node,
    epoch: pass.epoch,
    tier: 'primary',
    intent: { kind: 'run' },
    createdAt: pass.now,
    reason,
    runsOnce: { timeoutMs },
    restartNonce: 0,
  };
  const command: ReleaseCommandState = { kind: 'running', since: pass.now, instance: id, node: placed.node };
  // C1
  const isWritten = await write(pass, gate, {
    release: { ...release.value, command },
    instance: { before: undefined, operations: [putJson(keyOf.instance(id), instance)] },
  });
  if (isWritten) tell(pass, gate, { kind: 'release-command-started', message: `the ${reason} is started on ${placed.node}` });
}

async function follow(
  pass: Pass,
  gate: Gate,
  { command, instance }: { readonly command: ReleaseCommandState & { kind: 'running' }; readonly instance: Mirrored<Instance> | undefined },
): Promise<void> {
  const where = { id: command.instance, node: command.node };
  if (instance === undefined) return await fail(pass, gate, releaseCommandFailure('its record is gone', where));
  const reported = pass.snapshot.statuses.get(command.instance)?.value;
  const end = releaseCommandEnd(reported?.node === command.node ? reported : undefined);
  if (end === 'passed') return await conclude(pass, gate, instance);
  if (end !== undefined) return await fail(pass, gate, end);
  const host = hostOf(pass, instance.value);
  if (host.kind === 'lost' || host.kind === 'gone') {
    return await fail(pass, gate, releaseCommandFailure('the node was lost meanwhile, and nobody knows how far it came', where));
  }
  if (host.kind !== 'draining') return;
  if (host.deadline <= pass.now) return await fail(pass, gate, releaseCommandFailure('the drain of the node reached its deadline', where));
  pass.wakeAt(host.deadline);
}

async function conclude(pass: Pass, gate: Gate, instance: Mirrored<Instance>): Promise<void> {
  const release: Release = { ...gate.release.value, command: { kind: 'passed', at: pass.now } };
  const operations = forgotten(instance.value);
  if (await write(pass, gate, { release, instance: { before: instance, operations } })) {
    tell(pass, gate, { kind: 'release-command-passed', message: `the release command of release ${release.number} has passed` });
  }
}

async function wait(pass: Pass, gate: Gate, reason: string): Promise<void> {
  const { command } = gate.release.value;
  const since = command?.kind === 'waiting' ? command.since : pass.now;
  pass.wakeAt(later(since, PLACE_WITHIN_MS));
  if (command?.kind === 'waiting' && command.reason === reason) return;
  await write(pass, gate, { release: { ...gate.release.value, command: { kind: 'waiting', since, reason } } });
}

/** C3: the app wants again what it wanted before. */
async function fail(pass: Pass, gate: Gate, cause: FailureCause): Promise<void> {
  const { app, release } = gate;
  const running = [...pass.snapshot.instancesOf.values()].flat().filter(({ value }) => value.app === app.value.name && value.service !== RELEASE_SERVICE);
  const numbers = [...new Set(running.filter(({ value }) => value.intent.kind === 'run').map(({ value }) => value.release))];
  const before = effectiveApp(app.value, release.value);
  const [only] = numbers;
  const to = numbers.length === 1 ? only : before?.release;
  const outcome: Release['outcome'] =
    numbers.length === 0 || to === undefined ? { kind: 'failed', at: pass.now, cause } : { kind: 'reverted', at: pass.now, to, cause };
  if (!(await write(pass, gate, { release: { ...release.value, outcome }, ...(before === undefined ? {} : { app: before }) }))) return;
  const goesOn = outcome.kind === 'reverted' ? `; release ${outcome.to} goes on` : '';
  tell(pass, gate, {
    level: 'error',
    kind: 'rollout-failed',
    message: `release ${release.value.number} failed, nothing was changed${goesOn}: ${cause.message}`,
  });
}

interface Change {
  readonly release: Release;
  readonly app?: App;
  readonly instance?: { readonly before: Mirrored<Instance> | undefined; readonly operations: readonly Operation[] };
}

async function write(pass: Pass, { app, release }: Gate, change: Change): Promise<boolean> {
  const id = change.release.command?.kind === 'running' ? change.release.command.instance : undefined;
  const instance = change.instance?.before;
  const isNew = change.instance !== undefined && instance === undefined && id !== undefined;
  return await pass.writer.write({
    compare: [
      unchanged(app.key, app.modRevision),
      unchanged(release.key, release.modRevision),
      ...(instance === undefined ? [] : [unchanged(instance.key, instance.modRevision)]),
      ...(isNew ? [unchanged(keyOf.instance(id), 0)] : []),
    ],
    operations: [
      putJson(release.key, change.release),
      ...(change.app === undefined ? [] : [putJson(app.key, change.app)]),
      ...(change.instance?.operations ?? []),
    ],
  });
}

function forgotten({ id }: Instance): readonly Operation[] {
  return [deleteKey(keyOf.instance(id)), deleteKey(keyOf.status(id)), { kind: 'delete', range: { prefix: keyOf.eventsOf(`instance/${id}`) } }];
}

function hostOf(pass: Pass, { node }: Instance): HostState {
  return hostStateOf(pass.snapshot.nodes.get(node)?.value, pass.conditions.get(node) ?? 'down');
}

function tell(pass: Pass, { app }: Gate, fact: Parameters<typeof note>[2]): void {
  note(pass, `app/${app.value.name}`, fact);
}
