import type { AppState, AppView, GatewayView, InstanceState, InstanceView, NodeView, PoolView, ReleaseView, ServiceView } from '@haven/sdk';
import { type App, isGated, type Release, type ServiceState } from '#model/app';
import { type Instance, type InstanceStatus, instanceName } from '#model/instance';
import type { Node, Pool } from '#model/node';
import { addResources, NO_RESOURCES } from '#model/resources';
import type { GatewayStatus } from '#model/route';
import type { ServiceSpec } from '#model/spec';
import { conditionOf } from '../node-condition.ts';
import type { ClusterState, Stored } from './cluster-state.ts';

/** All instances of an app, or of the cluster, in the order of their ids. */
export function instanceViews(state: ClusterState, options: { readonly app?: string; readonly service?: string } = {}): InstanceView[] {
  return state.instances
    .map(({ value }) => value)
    .filter((instance) => (options.app ?? instance.app) === instance.app && (options.service ?? instance.service) === instance.service)
    .map((instance) => instanceView(state, instance));
}

function instanceView(state: ClusterState, instance: Instance): InstanceView {
  const status = state.statusesById.get(instance.id);
  const health = healthOf(state, { instance, attempt: status?.attempt });
  const { address, pid, startedAt, output, usage, lastEnd } = status ?? {};
  return {
    id: instance.id,
    name: instanceName(instance),
    app: instance.app,
    service: instance.service,
    slot: instance.slot,
    release: instance.release,
    node: instance.node,
    state: stateOf(instance, status, health.verdict),
    tier: instance.tier,
    health: health.verdict,
    ...(address ? { address } : {}),
    ...(pid === undefined ? {} : { pid }),
    attempt: status?.attempt ?? 0,
    restarts: status?.restarts ?? 0,
    since: status?.since ?? instance.createdAt,
    ...(startedAt === undefined ? {} : { startedAt }),
    reason: reasonOf(instance, { status, failing: health.reason }),
    ...(output ? { output } : {}),
    ...(usage ? { usage } : {}),
    ...(lastEnd ? { lastEnd } : {}),
  };
}

interface Health {
  readonly verdict: 'unknown' | 'passing' | 'failing';
  readonly reason?: string;
}

/** What the gateways say of this attempt: failing if one says so, passing if all that know it do. */
function healthOf(state: ClusterState, { instance, attempt }: { readonly instance: Instance; readonly attempt: number | undefined }): Health {
  const reports = state.gateways.flatMap(({ value }) => {
    const report = value.backends[instance.id];
    return report && report.attempt === attempt ? [report] : [];
  });
  const failing = reports.find((report) => report.health === 'failing');
  if (failing) return { verdict: 'failing', reason: failing.reason };
  return { verdict: reports.length > 0 && reports.every((report) => report.health === 'passing') ? 'passing' : 'unknown' };
}

function stateOf(instance: Instance, status: InstanceStatus | undefined, health: Health['verdict']): InstanceState {
  const phase = status?.phase;
  if (phase === 'stopped' || phase === 'stopping' || phase === 'failed') return phase;
  if (instance.intent.kind === 'stop') return 'stopping';
  if (instance.intent.kind === 'drain') return 'draining';
  if (phase === undefined) return 'pending';
  if (phase !== 'running') return phase;
  return health === 'passing' ? 'healthy' : health === 'failing' ? 'unhealthy' : 'running';
}

function reasonOf(instance: Instance, facts: { readonly status: InstanceStatus | undefined; readonly failing: string | undefined }): string {
  if (instance.intent.kind !== 'run') return instance.intent.reason;
  return facts.failing || facts.status?.reason || instance.reason;
}

/** An app with its services, as the user wants and has it. */
export function appView(state: ClusterState, stored: Stored<App>): AppView {
  const app = stored.value;
  const release = releaseOf(state, app);
  const services = serviceViews(state, app, release);
  return {
    name: app.name,
    revision: stored.modRevision,
    release: app.release,
    state: appStateOf(app, { release, services }),
    ...(release ? { outcome: release.outcome } : {}),
    services,
  };
}

function appStateOf(app: App, facts: { readonly release: Release | undefined; readonly services: readonly ServiceView[] }): AppState {
  const { release, services } = facts;
  if (app.removing) return 'removing';
  if (release?.outcome.kind === 'rolling' || services.some((service) => service.phase === 'rolling')) return 'rolling';
  if (release?.outcome.kind === 'failed') return 'failed';
  return services.every((service) => service.healthy >= service.count && service.phase !== 'failed') ? 'running' : 'degraded';
}

/** The release an app wants now. */
export function releaseOf(state: ClusterState, app: App): Release | undefined {
  return state.releases.find(({ value }) => value.app === app.name && value.number === app.release)?.value;
}

/** The services of an app's wanted release, in the order of their names. */
export function serviceViews(state: ClusterState, app: App, release: Release | undefined): ServiceView[] {
  return Object.values(release?.spec.services ?? {})
    .map((spec) => serviceView(state, { app, spec }))
    .sort((a, b) => (a.service < b.service ? -1 : 1));
}

function serviceView(state: ClusterState, { app, spec }: { readonly app: App; readonly spec: ServiceSpec }): ServiceView {
  const known = state.services.find(({ value }) => value.app === app.name && value.service === spec.name)?.value;
  const instances = instanceViews(state, { app: app.name, service: spec.name });
  const up = instances.filter((instance) => instance.state === 'healthy' || instance.state === 'running' || instance.state === 'unhealthy');
  // Nobody asks a service without a ready check: what runs counts (H7).
  const isHealthy = (instance: InstanceView) => instance.state === 'healthy' || (instance.state === 'running' && !spec.checks.ready);
  return {
    app: app.name,
    service: spec.name,
    mode: spec.mode,
    count: app.counts[spec.name] ?? spec.count,
    running: up.length,
    healthy: up.filter(isHealthy).length,
    phase: known?.rollout.phase ?? 'waiting',
    release: known?.rollout.release ?? app.release,
    ...(known?.activeSlot === undefined ? {} : { activeSlot: known.activeSlot }),
    ...(known?.internalPort === undefined ? {} : { internalPort: known.internalPort }),
    routes: spec.routes,
    ...(spec.tcpPorts === undefined ? {} : { tcpPorts: spec.tcpPorts }),
    pending: pendingOf(state, app, known),
  };
}

function pendingOf(state: ClusterState, app: App, known: ServiceState | undefined): readonly string[] {
  const gate = gateReason(releaseOf(state, app));
  const own = known ? known.pending : gate === undefined ? ['the control plane has not looked at it yet'] : [];
  return gate === undefined ? own : [gate, ...own];
}

/** Why nothing of a release is placed yet (R11). */
function gateReason(release: Release | undefined): string | undefined {
  if (release === undefined || !isGated(release)) return undefined;
  const { command, number, outcome } = release;
  if ('cause' in outcome) return `nothing of release ${number} was placed: ${outcome.cause.message}`;
  switch (command?.kind) {
    case 'waiting':
      return command.reason;
    case 'running':
      return `waits for the release command of release ${number}, which runs on ${command.node}`;
    default:
      return `waits for the release command of release ${number}, which is about to start`;
  }
}

/** One release of an app. */
export function releaseView(release: Release, current: number | undefined): ReleaseView {
  const { app, number, createdAt, artifact, rollbackOf, outcome } = release;
  return {
    app,
    number,
    createdAt,
    ...(artifact === undefined ? {} : { artifact }),
    ...(rollbackOf === undefined ? {} : { rollbackOf }),
    current: number === current,
    outcome,
  };
}

/** All nodes in the order of their names, with what is on them. */
export function nodeViews(state: ClusterState): NodeView[] {
  return state.nodes.map(({ value }) => nodeView(state, value));
}

function nodeView(state: ClusterState, node: Node): NodeView {
  const agent = state.agentsByNode.get(node.name);
  const instances = state.instances.filter(({ value }) => value.node === node.name && state.statusesById.get(value.id)?.phase !== 'stopped');
  return {
    name: node.name,
    pool: node.pool,
    provider: node.provider,
    condition: conditionOf({
      isAlive: agent !== undefined,
      isLate: state.lateNodes.has(node.name),
      // Whoever has instances and no lease was here; whoever has none never came, or left in order.
      wasAlive: instances.length > 0 || node.power === 'off',
      isGracePeriod: state.isGracePeriod,
    }),
    power: node.power,
    ...(node.cordon ? { cordon: node.cordon } : {}),
    ...(node.drain ? { drain: node.drain } : {}),
    ...(agent ? { address: agent.address, capacity: agent.capacity, limits: agent.limits, version: agent.version } : {}),
    reserved: instances.reduce((sum, { value }) => addResources(sum, value.spec.resources), NO_RESOURCES),
    instances: instances.length,
    labels: node.labels,
  };
}

/** A pool and how many of its nodes are ready. */
export function poolView(state: ClusterState, pool: Pool): PoolView {
  const { name, provider, nodes, resources, removing } = pool;
  const readyNodes = state.nodes.filter(({ value }) => value.pool === name && state.agentsByNode.has(value.name)).length;
  return { name, provider, nodes, readyNodes, ...(resources ? { resources } : {}), removing };
}

/** A gateway that lives. */
export function gatewayView(gateway: GatewayStatus): GatewayView {
  const { name, address, adminAddress, httpsAddress, pid, appliedRevision } = gateway;
  return { name, address, adminAddress, ...(httpsAddress === undefined ? {} : { httpsAddress }), pid, appliedRevision };
}

/** What became of the newest release of an app, if it failed: the app may want an older one again since. */
export function lastFailure(
  state: ClusterState,
  app: string,
): { readonly release: number; readonly outcome: Extract<Release['outcome'], { readonly cause: unknown }> } | undefined {
  const newest = state.releases.findLast(({ value }) => value.app === app)?.value;
  return newest !== undefined && 'cause' in newest.outcome ? { release: newest.number, outcome: newest.outcome } : undefined;
}

/** What needs somebody's attention, each a sentence. */
export function attentionOf(state: ClusterState, facts: { readonly apps: readonly AppView[]; readonly nodes: readonly NodeView[] }): string[] {
  const nodes = facts.nodes.flatMap((node) => {
    if (node.condition === 'lost') return [`Node ${node.name} is lost: its agent does not answer`];
    return node.condition === 'down' && node.power === 'on' ? [`Node ${node.name} has not joined`] : [];
  });
  const apps = facts.apps.flatMap((app) => {
    const failure = lastFailure(state, app.name);
    const failed = failure === undefined ? [] : [`Release ${failure.release} of ${app.name} ${failure.outcome.kind}: ${failure.outcome.cause.message}`];
    const waits = app.services.flatMap(({ service, pending }) => pending.map((why) => `${app.name}/${service}: ${why}`));
    // Of a release that failed, its cause is said once.
    return [...failed, ...waits.filter((why) => failure === undefined || !why.endsWith(failure.outcome.cause.message))];
  });
  const gateways = state.gateways.length === 0 && state.apps.length > 0 ? ['No gateway is alive: nobody serves requests'] : [];
  const fenced = state.fences.map(({ value }) => `Gateway ${value.gateway} is counted out: ${value.reason}`);
  const https = state.gateways.flatMap(({ value: { name, httpsProblem } }) =>
    httpsProblem === undefined ? [] : [`Gateway ${name} does not serve HTTPS as routes want it: ${httpsProblem}`],
  );
  return [...(state.leader ? [] : ['No control process leads: nothing is placed, moved or stopped']), ...gateways, ...fenced, ...https, ...nodes, ...apps];
}
