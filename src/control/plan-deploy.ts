import { formatDuration } from '#base/duration';
import type { Name } from '#base/name';
import type { Release } from '#model/app';
import type { Instance, InstanceId } from '#model/instance';
import type { NodeCondition } from '#model/node';
import type { AppSpec, ServiceSpec } from '#model/spec';
import { explainRefusal, place } from '#policy/placement/place';
import type { Assigned, PlacementNode, PlacementRequest } from '#policy/placement/request';
import { slotOrder } from '#policy/rollout/pace';
import { isSameTemplate, restartReasons, type Template, templateOf } from '#policy/rollout/template';
import { type ClusterSnapshot, serviceKey } from './cluster-snapshot.ts';
import { placementNodes, portsOf } from './service-facts.ts';

/** Stands for the internal port of a service that has none yet: all that matters here is that its siblings learn a new address. */
const UNKNOWN_PORT = 0;

/** What would be deployed, and on what. */
export interface DeployQuestion {
  readonly snapshot: ClusterSnapshot;
  readonly conditions: ReadonlyMap<Name, NodeCondition>;
  readonly spec: AppSpec;
  readonly artifact?: string;
  /** Counts set by `scale` that the deploy would keep. */
  readonly counts: Readonly<Record<string, number>>;
}

/** What a deploy would do. */
export interface DeployPlan {
  readonly services: readonly ServiceForecast[];
  readonly warnings: readonly string[];
}

export interface ServiceForecast {
  readonly service: string;
  /** `replace`: instances are replaced one after the other; `in-place`: nothing restarts (R10). */
  readonly change: 'none' | 'create' | 'replace' | 'in-place' | 'remove';
  /** What makes instances restart, in words: `command`, `environment`. */
  readonly restarts: readonly string[];
  /** Where each new instance would go if it were decided now, or why it cannot. */
  readonly placements: readonly ForecastPlacement[];
}

export interface ForecastPlacement {
  /** `web.2` */
  readonly instance: string;
  readonly node?: Name;
  readonly reason: string;
}

/** The dry run of a deploy: what changes, what restarts, where it would go. Decides with the policies that decide in earnest, and changes nothing. */
export function planDeploy({ snapshot, conditions, spec, artifact, counts }: DeployQuestion): DeployPlan {
  const app = snapshot.apps.get(spec.name)?.value;
  const current = app === undefined ? undefined : snapshot.releases.get(spec.name)?.get(app.release)?.value;
  const next: Release = {
    app: spec.name,
    number: (current?.number ?? 0) + 1,
    spec,
    ...(artifact === undefined ? {} : { artifact }),
    createdAt: 0 as Release['createdAt'],
    outcome: { kind: 'rolling' },
  };
  const dryRun = new DryRun(placementNodes(snapshot, conditions), spec.name);
  const names = [...new Set([...Object.keys(current?.spec.services ?? {}), ...Object.keys(spec.services)])].sort() as Name[];
  const services = names.map((service): ServiceForecast => {
    const before = current && templateOf(current, service, portsOf(snapshot, spec.name));
    const after = templateOf(next, service, withNewPorts(portsOf(snapshot, spec.name), spec));
    const existing = (snapshot.instancesOf.get(serviceKey(spec.name, service)) ?? []).map(({ value }) => value).filter(({ intent }) => intent.kind === 'run');
    const { activeSlot } = snapshot.services.get(serviceKey(spec.name, service))?.value ?? {};
    return forecast(service, { before, after, existing, activeSlot, count: counts[service] ?? after?.spec.count ?? 0 }, dryRun);
  });
  return { services, warnings: Object.values(spec.services).flatMap(warningsOf) };
}

interface Change {
  readonly before: Template | undefined;
  readonly after: Template | undefined;
  /** Instances there are now. */
  readonly existing: readonly Instance[];
  readonly activeSlot: number | undefined;
  readonly count: number;
}

function forecast(service: Name, { before, after, existing, activeSlot, count }: Change, dryRun: DryRun): ServiceForecast {
  if (after === undefined) return { service, change: 'remove', restarts: [], placements: [] };
  const restarts = before === undefined ? [] : restartReasons(before, after);
  const change =
    before === undefined ? 'create' : restarts.length > 0 ? 'replace' : isSameTemplate(before, after) && existing.length === count ? 'none' : 'in-place';
  const first = change === 'in-place' || change === 'none' ? existing.length + 1 : 1;
  const slots = slotOrder({ count, mode: after.spec.mode, activeSlot }).filter((slot) => slot >= first);
  const placed = slots.map((slot) => {
    const replaces = change === 'replace' ? existing.find((instance) => instance.slot === slot)?.id : undefined;
    return { slot, placement: dryRun.place(`${service}.${slot}`, after.spec, { replaces }) };
  });
  const placements = placed.sort((a, b) => a.slot - b.slot).map(({ placement }) => placement);
  return { service, change, restarts, placements };
}

/** Placements one after the other, each seeing those before it. */
class DryRun {
  readonly #app: Name;
  #nodes: readonly PlacementNode[];

  constructor(nodes: readonly PlacementNode[], app: Name) {
    this.#nodes = nodes;
    this.#app = app;
  }

  /** With `replaces`, that old instance goes once the new one is there; without surge it goes first. */
  place(instance: string, spec: ServiceSpec, { replaces }: { readonly replaces: InstanceId | undefined }): ForecastPlacement {
    const { resources, hostPort, placement, name: service } = spec;
    if (replaces !== undefined && spec.update.maxSurge === 0) this.#changeAssigned((assigned) => (assigned.id === replaces ? [] : [assigned]));
    else if (replaces !== undefined) this.#changeAssigned((assigned) => (assigned.id === replaces ? [{ ...assigned, leaves: true }] : [assigned]));
    const assigned: Assigned = { app: this.#app, service, resources, ...(hostPort === undefined ? {} : { hostPort }) };
    const apart = spec.mode === 'active-standby' ? { apart: true as const } : {};
    const request: PlacementRequest = { ...assigned, placement, avoid: new Set(), ...apart };
    const placed = place(request, this.#nodes);
    if (!placed.placed) return { instance, reason: explainRefusal(placed.reasons) };
    this.#nodes = this.#nodes.map((node) => (node.name === placed.node ? { ...node, assigned: [...node.assigned, assigned] } : node));
    if (replaces !== undefined) this.#changeAssigned((other) => (other.id === replaces ? [] : [other]));
    return { instance, node: placed.node, reason: `${placement.policy} over ${this.#nodes.length} nodes` };
  }

  #changeAssigned(change: (assigned: Assigned) => readonly Assigned[]): void {
    this.#nodes = this.#nodes.map((node) => ({ ...node, assigned: node.assigned.flatMap(change) }));
  }
}

function withNewPorts(ports: ReadonlyMap<Name, number>, spec: AppSpec): ReadonlyMap<Name, number> {
  const listening = Object.values(spec.services).filter((service) => service.listens);
  return new Map([...ports, ...listening.filter((service) => !ports.has(service.name)).map((service) => [service.name, UNKNOWN_PORT] as const)]);
}

function warningsOf(spec: ServiceSpec): readonly string[] {
  if (!spec.listens || spec.checks.ready !== undefined) return [];
  // H7: never a silent change of strategy.
  return [`${spec.name} has no check: an instance counts as healthy once it has run for ${formatDuration(spec.update.minHealthyMs)} without a restart`];
}
