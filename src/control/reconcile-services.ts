import type { Name } from '#base/name';
import { type App, effectiveApp, type Release, type ServiceState } from '#model/app';
import { instanceIdOf } from '#model/instance';
import { keyOf } from '#model/keys';
import type { Mirrored } from '#model/mirror';
import type { PlacementNode } from '#policy/placement/request';
import type { RolloutAction } from '#policy/rollout/action';
import { applyActions } from '#policy/rollout/apply-actions';
import { planService, type ServicePlan } from '#policy/rollout/plan-service';
import { canonical } from '#policy/rollout/template';
import type { Compare, Operation } from '#store/store';
import { serviceKey } from './cluster-snapshot.ts';
import { isOverDeletionCap, isUnasked } from './deletion-cap.ts';
import { InternalPorts, initialState } from './internal-ports.ts';
import { deleteKey, putJson, unchanged } from './leader-writer.ts';
import { note, type Pass } from './pass.ts';
import { placementNodes, serviceSnapshot } from './service-facts.ts';

/** Statuses without an instance that one pass clears away. */
const MAX_ORPHANS_PER_PASS = 50;

interface PlannedService {
  readonly app: Mirrored<App>;
  readonly state: Mirrored<ServiceState>;
  readonly plan: ServicePlan;
}

/** Every service one step further: snapshot → plan → one transaction per service. */
export async function reconcileServices(pass: Pass): Promise<void> {
  const planned: PlannedService[] = [];
  const ports = new InternalPorts(
    pass.options.internalPorts,
    [...pass.snapshot.services.values()].map((item) => item.value),
  );
  let nodes = placementNodes(pass.snapshot, pass.conditions);
  forgetObservations(pass);
  for (const app of pass.snapshot.apps.values()) {
    await pass.attempt(`app/${app.value.name}`, async () => {
      const wanted = pass.snapshot.releases.get(app.value.name)?.get(app.value.release)?.value;
      // R11: until its release command has passed, nothing of a release is seen here.
      const effective = effectiveApp(app.value, wanted);
      if (effective === undefined || (await registerServices(pass, effective, ports))) return;
      for (const state of servicesOf(pass, app.value.name)) {
        const plan = planOne(pass, { app: effective, state: state.value, nodes });
        nodes = withPlaced(nodes, state.value, plan.actions);
        planned.push({ app, state, plan });
      }
    });
  }
  const allowed = capped(pass, planned);
  await Promise.all(allowed.map((each) => pass.attempt(`service/${serviceKey(each.state.value.app, each.state.value.service)}`, () => carryOut(pass, each))));
  await clearOrphans(pass);
}

function servicesOf(pass: Pass, app: Name): readonly Mirrored<ServiceState>[] {
  return [...pass.snapshot.services.values()].filter((item) => item.value.app === app);
}

/**
 * Gives each service of the wanted release its state and, if it listens, its internal port, before anything of the app is placed: every instance's
 * environment names the ports of its siblings. True if something was written.
 */
async function registerServices(pass: Pass, app: App, ports: InternalPorts): Promise<boolean> {
  const release = pass.snapshot.releases.get(app.name)?.get(app.release)?.value;
  if (release === undefined || app.removing) return false;
  const writes = Object.values(release.spec.services).flatMap((spec) => {
    const known = pass.snapshot.services.get(serviceKey(app.name, spec.name));
    const needsPort = spec.listens && known?.value.internalPort === undefined;
    if (known !== undefined && !needsPort) return [];
    const state: ServiceState = { ...(known?.value ?? initialState(release, spec.name)), ...(needsPort ? { internalPort: ports.take() } : {}) };
    return [{ key: keyOf.service(app.name, spec.name), state, modRevision: known?.modRevision ?? 0 }];
  });
  if (writes.length === 0) return false;
  await pass.writer.write({
    compare: writes.map(({ key, modRevision }) => unchanged(key, modRevision)),
    operations: writes.map(({ key, state }) => putJson(key, state)),
  });
  return true;
}

function planOne(
  pass: Pass,
  { app, state, nodes }: { readonly app: App; readonly state: ServiceState; readonly nodes: readonly PlacementNode[] },
): ServicePlan {
  const seen = { snapshot: pass.snapshot, conditions: pass.conditions, observations: pass.memory.observations, now: pass.now };
  const plan = planService(serviceSnapshot(seen, { app, state, nodes }), pass.now);
  if (plan.wakeAt !== undefined) pass.wakeAt(plan.wakeAt);
  return plan;
}

/** What one service takes, the next cannot have. */
function withPlaced(nodes: readonly PlacementNode[], { app, service }: ServiceState, actions: readonly RolloutAction[]): readonly PlacementNode[] {
  return actions.reduce((left, action) => {
    if (action.kind !== 'place') return left;
    const { resources, hostPort } = action.template.spec;
    const assigned = { app, service, resources, ...(hostPort === undefined ? {} : { hostPort }) };
    return left.map((node) => (node.name === action.node ? { ...node, assigned: [...node.assigned, assigned] } : node));
  }, nodes);
}

function capped(pass: Pass, planned: readonly PlannedService[]): readonly PlannedService[] {
  const instances = [...pass.snapshot.instancesOf.values()].reduce((sum, each) => sum + each.length, 0);
  const plans = planned.map(({ plan }) => plan.actions);
  if (!isOverDeletionCap(plans, instances)) return planned;
  const message = `control wanted to take more than half of all ${instances} instances out of service though no user asked for it, and held back`;
  note(pass, 'cluster', { level: 'error', kind: 'deletion-cap', message });
  return planned.filter(({ plan }) => !plan.actions.some(isUnasked));
}

/** One transaction: the instances that change, the service's state, and the verdict on the release if there is one. */
async function carryOut(pass: Pass, { app, state, plan }: PlannedService): Promise<void> {
  const compare: Compare[] = [unchanged(app.key, app.modRevision), unchanged(state.key, state.modRevision)];
  const operations: Operation[] = [];
  const instances = pass.snapshot.instancesOf.get(serviceKey(state.value.app, state.value.service)) ?? [];
  const revisions = new Map(instances.map((item) => [item.value.id, item.modRevision]));
  const applying = { app: app.value.name, service: state.value.service, epoch: pass.epoch, now: pass.now };
  const changes = applyActions(
    instances.map((item) => item.value),
    plan.actions,
    applying,
  );
  for (const [id, instance] of changes) {
    compare.push(unchanged(keyOf.instance(id), revisions.get(id) ?? 0));
    if (instance !== undefined) operations.push(putJson(keyOf.instance(id), instance));
    else operations.push(deleteKey(keyOf.instance(id)), deleteKey(keyOf.status(id)), { kind: 'delete', range: { prefix: keyOf.eventsOf(`instance/${id}`) } });
  }
  compare.push(...drainsBehind(pass, plan.actions));
  const isForgotten = plan.actions.some((action) => action.kind === 'forget');
  if (isForgotten) operations.push(deleteKey(state.key), deleteKey(keyOf.route(state.value.app, state.value.service)));
  else if (canonical(plan.state) !== canonical(state.value)) operations.push(putJson(state.key, plan.state));
  const nextApp = appAfter(app.value, state.value.service, plan.actions);
  if (nextApp !== app.value) operations.push(putJson(app.key, nextApp));
  for (const { item, next } of verdicts(pass, app.value, plan.actions)) {
    compare.push(unchanged(item.key, item.modRevision));
    operations.push(putJson(item.key, next));
  }
  if (operations.length === 0) return;
  if (await pass.writer.write({ compare, operations })) tell(pass, state.value, plan.actions);
}

/** Who leaves because of a drain leaves only while the drain is as it was seen: an `undrain` meanwhile must win. */
function drainsBehind(pass: Pass, actions: readonly RolloutAction[]): readonly Compare[] {
  const leaving = new Set(actions.flatMap((action) => (action.kind === 'drain' || (action.kind === 'stop' && action.forced) ? [action.id] : [])));
  const instances = [...pass.snapshot.instancesOf.values()].flat().filter(({ value }) => leaving.has(value.id));
  const nodes = new Set(instances.flatMap(({ value }) => pass.snapshot.nodes.get(value.node) ?? []));
  return [...nodes].filter(({ value }) => value.drain !== undefined).map((node) => unchanged(node.key, node.modRevision));
}

function appAfter(app: App, service: Name, actions: readonly RolloutAction[]): App {
  let next = app;
  for (const action of actions) {
    if (action.kind === 'clear-switch') {
      next = { ...next, activeSlots: Object.fromEntries(Object.entries(next.activeSlots).filter(([name]) => name !== service)) };
    }
    // R12: with the scope of the whole app, all its services go back together.
    // A failure of the release before, while the wanted one waits for its release command, is no reason to give that up.
    const isWanted = action.kind === 'fail' && action.release === app.release;
    if (isWanted && action.scope === 'app' && action.revertTo !== undefined) next = { ...next, release: action.revertTo };
  }
  return next;
}

function verdicts(pass: Pass, app: App, actions: readonly RolloutAction[]): readonly { readonly item: Mirrored<Release>; readonly next: Release }[] {
  return actions.flatMap((action) => {
    if (action.kind !== 'fail') return [];
    const item = pass.snapshot.releases.get(app.name)?.get(action.release);
    // The first service to fail decides; what fails after it changes nothing about the release.
    if (item === undefined || (item.value.outcome.kind !== 'rolling' && item.value.outcome.kind !== 'stable')) return [];
    const { cause, revertTo } = action;
    const outcome: Release['outcome'] =
      revertTo === undefined ? { kind: 'failed', at: pass.now, cause } : { kind: 'reverted', at: pass.now, to: revertTo, cause };
    return [{ item, next: { ...item.value, outcome } }];
  });
}

function tell(pass: Pass, { app, service }: ServiceState, actions: readonly RolloutAction[]): void {
  const object = `service/${app}/${service}`;
  for (const action of actions) {
    switch (action.kind) {
      case 'place': {
        const message = `${service}.${action.slot} on ${action.node}: ${action.reason}`;
        note(pass, object, { kind: 'placed', message });
        note(pass, `instance/${instanceIdOf(app, service, action.slot, action.serial)}`, { kind: 'placed', message });
        break;
      }
      case 'drain':
      case 'stop':
        note(pass, `instance/${action.id}`, { kind: action.kind === 'drain' ? 'draining' : 'stopping', message: action.reason });
        break;
      case 'set-tier':
        note(pass, object, { kind: action.tier === 'primary' ? 'activated' : 'standing-by', message: `${action.id}: ${action.reason}` });
        break;
      case 'clear-switch':
        note(pass, object, { kind: 'switch', message: action.reason });
        break;
      case 'succeed': {
        const word = pass.snapshot.gateways.length === 0 ? ', by the word of the agents because no gateway is alive' : '';
        note(pass, object, { kind: 'rollout-succeeded', message: `${action.message}${word}` });
        break;
      }
      case 'fail': {
        const verdict = action.revertTo === undefined ? 'failed' : `failed and is reverted to release ${action.revertTo}`;
        const message = `release ${action.release} ${verdict}: ${action.cause.message}`;
        for (const each of [object, `app/${app}`]) note(pass, each, { level: 'error', kind: 'rollout-failed', message });
        break;
      }
      case 'adopt':
      case 'delete':
      case 'forget':
        break;
    }
  }
}

function forgetObservations(pass: Pass): void {
  const existing = new Set([...pass.snapshot.instancesOf.values()].flat().map((item) => item.value.id));
  for (const id of pass.memory.observations.keys()) if (!existing.has(id)) pass.memory.observations.delete(id);
}

/** An agent may report once more after its instance's key was deleted. */
async function clearOrphans(pass: Pass): Promise<void> {
  const existing = new Set([...pass.snapshot.instancesOf.values()].flat().map((item) => item.value.id));
  const orphans = [...pass.snapshot.statuses.values()].filter((item) => !existing.has(item.value.id)).slice(0, MAX_ORPHANS_PER_PASS);
  if (orphans.length === 0) return;
  await pass.writer.write({ compare: orphans.map((item) => unchanged(item.key, item.modRevision)), operations: orphans.map((item) => deleteKey(item.key)) });
}
