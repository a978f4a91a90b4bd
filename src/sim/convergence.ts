import type { App, Release, ServiceState } from '#model/app';
import type { Instance, InstanceStatus } from '#model/instance';
import { keyOf, PREFIX } from '#model/keys';
import type { Node } from '#model/node';
import type { GatewayStatus, Route } from '#model/route';
import type { ClusterSimulation } from './cluster-simulation.ts';

/** What is not yet as users want it, one sentence each; empty when the cluster has converged. */
export function unsettled(cluster: ClusterSimulation): readonly string[] {
  const { history } = cluster;
  const problems: string[] = [];
  if (cluster.leaders().length !== 1) problems.push(`${cluster.leaders().length} controls lead`);
  for (const node of history.values<Node>(PREFIX.nodes)) {
    const isHeard = history.value(keyOf.agent(node.name)) !== undefined;
    if (isHeard !== (node.power === 'on')) problems.push(`${node.name} is ${node.power} and its agent is ${isHeard ? '' : 'not '}heard`);
  }
  const gateways = history.values<GatewayStatus>(PREFIX.gateways);
  for (const name of cluster.gatewayNames) if (!gateways.some((gateway) => gateway.name === name)) problems.push(`${name} is not heard`);
  for (const app of history.values<App>(PREFIX.apps)) problems.push(...unsettledApp(cluster, app));
  const instances = history.values<Instance>(PREFIX.instances);
  const known = new Set<string>(instances.map(({ id }) => id));
  for (const { id, host } of cluster.processes()) if (!known.has(id)) problems.push(`${host} runs ${id}, which does not exist any more`);
  for (const { id } of history.values<InstanceStatus>(PREFIX.statuses)) if (!known.has(id)) problems.push(`${id} has a status and does not exist`);
  for (const instance of instances) {
    if (!history.value(keyOf.app(instance.app))) problems.push(`${instance.id} is left of a removed app`);
  }
  return problems;
}

function unsettledApp(cluster: ClusterSimulation, app: App): readonly string[] {
  const { history } = cluster;
  if (app.removing) return [`${app.name} is still being removed`];
  const release = history.value<Release>(keyOf.release(app.name, app.release));
  if (!release) return [`${app.name} wants a release that does not exist`];
  return Object.keys(release.spec.services).flatMap((service) => {
    const state = history.value<ServiceState>(`${PREFIX.services}${app.name}/${service}`);
    if (!state) return [`${app.name}/${service} has no state`];
    return unsettledService(cluster, { app, release, state });
  });
}

interface Wanted {
  readonly app: App;
  readonly release: Release;
  readonly state: ServiceState;
}

function unsettledService(cluster: ClusterSimulation, { app, release, state }: Wanted): readonly string[] {
  const { history, checkers } = cluster;
  const name = `${state.app}/${state.service}`;
  const { rollout } = state;
  if (rollout.phase === 'rolling' || rollout.release !== app.release) return [`${name} is still rolling`];
  if (release.outcome.kind === 'rolling') return [`release ${release.number} of ${app.name} has no outcome`];
  const instances = history.values<Instance>(PREFIX.instances).filter((instance) => `${instance.app}/${instance.service}` === name);
  // Invariant 7: what failed for good stays as it is, with a reason.
  if (rollout.phase === 'failed' && rollout.revertTo === undefined) return state.pending.length > 0 ? [] : [`${name} failed and does not say why`];
  const target = rollout.phase === 'failed' ? rollout.revertTo : app.release;
  const count = app.counts[state.service] ?? history.value<Release>(keyOf.release(app.name, target ?? 0))?.spec.services[state.service]?.count ?? 0;
  const problems: string[] = [];
  const slots = instances.map(({ slot }) => slot).sort((a, b) => a - b);
  if (slots.join() !== Array.from({ length: count }, (_, index) => index + 1).join()) {
    problems.push(`${name} has instances ${instances.map(({ id, intent }) => `${id} (${intent.kind})`).join(', ')} for a count of ${count}`);
  }
  const ready = new Set(checkers.readyOf(name).map(({ id }) => id));
  for (const instance of instances) {
    if (instance.release !== target) problems.push(`${instance.id} is of release ${instance.release}, not ${target}`);
    if (!ready.has(instance.id)) problems.push(`${instance.id} is not ready`);
    const processes = cluster.processes().filter(({ id }) => id === instance.id);
    if (processes.length !== 1 || processes[0]?.host !== instance.node) problems.push(`${instance.id} runs ${processes.length} times`);
  }
  const listed = history.value<Route>(keyOf.route(app.name, state.service))?.backends.map(({ id, state: backend }) => `${id} ${backend}`) ?? [];
  const expected = instances.map(({ id }) => `${id} active`);
  if (listed.slice().sort().join() !== expected.sort().join()) problems.push(`the route of ${name} lists ${listed.join(', ')}`);
  if (state.pending.length > 0) problems.push(`${name} is pending: ${state.pending.join('; ')}`);
  return problems;
}
