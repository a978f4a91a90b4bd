import type { Name } from '#base/name';
import type { App, Release, ServiceState } from '#model/app';
import type { Event } from '#model/event';
import type { GatewayFence } from '#model/fence';
import type { Instance, InstanceId, InstanceStatus } from '#model/instance';
import { PREFIX } from '#model/keys';
import type { Mirrored } from '#model/mirror';
import type { AgentStatus, Node, Pool } from '#model/node';
import type { GatewayStatus, Route } from '#model/route';

/** Everything control decides on, all of one revision, each object with the revision it was read at. */
export interface ClusterSnapshot {
  readonly revision: number;
  readonly apps: ReadonlyMap<Name, Mirrored<App>>;
  /** By app, by number. */
  readonly releases: ReadonlyMap<Name, ReadonlyMap<number, Mirrored<Release>>>;
  /** By `app/service`, in key order. */
  readonly services: ReadonlyMap<string, Mirrored<ServiceState>>;
  /** By `app/service`, in slot and serial order. */
  readonly instancesOf: ReadonlyMap<string, readonly Mirrored<Instance>[]>;
  readonly statuses: ReadonlyMap<InstanceId, Mirrored<InstanceStatus>>;
  /** By `app/service`. */
  readonly routes: ReadonlyMap<string, Mirrored<Route>>;
  /** Those that live and are not fenced: whose word counts, and must be waited for. */
  readonly gateways: readonly GatewayStatus[];
  /** Those that live, fenced or not. */
  readonly gatewayItems: ReadonlyMap<Name, Mirrored<GatewayStatus>>;
  readonly fences: ReadonlyMap<Name, Mirrored<GatewayFence>>;
  readonly pools: ReadonlyMap<Name, Mirrored<Pool>>;
  readonly nodes: ReadonlyMap<Name, Mirrored<Node>>;
  readonly agents: ReadonlyMap<Name, Mirrored<AgentStatus>>;
  /** By object, oldest first. Costs a walk over all events: not for every pass. */
  readonly eventsByObject: () => ReadonlyMap<string, readonly Mirrored<Event>[]>;
}

/** `shop/web`. */
export function serviceKey(app: Name, service: Name): string {
  return `${app}/${service}`;
}

/** Sorts a mirror's content by kind. */
export function snapshotOf(itemsByKey: ReadonlyMap<string, Mirrored<unknown>>, revision: number): ClusterSnapshot {
  const byPrefix = grouped(itemsByKey);
  const of = <Value>(prefix: string): readonly Mirrored<Value>[] => (byPrefix.get(prefix) ?? []) as readonly Mirrored<Value>[];
  const named = <Value extends { readonly name: Name }>(prefix: string) => new Map(of<Value>(prefix).map((item) => [item.value.name, item]));
  const fences = new Map(of<GatewayFence>(PREFIX.fences).map((item) => [item.value.gateway, item]));
  const gatewayItems = named<GatewayStatus>(PREFIX.gateways);
  return {
    revision,
    apps: named<App>(PREFIX.apps),
    releases: releasesByApp(of<Release>(PREFIX.releases)),
    services: new Map(of<ServiceState>(PREFIX.services).map((item) => [serviceKey(item.value.app, item.value.service), item])),
    instancesOf: instancesByService(of<Instance>(PREFIX.instances)),
    statuses: new Map(of<InstanceStatus>(PREFIX.statuses).map((item) => [item.value.id, item])),
    routes: new Map(of<Route>(PREFIX.routes).map((item) => [serviceKey(item.value.app, item.value.service), item])),
    gateways: [...gatewayItems.values()].map((item) => item.value).filter((gateway) => !isFenced(gateway, fences.get(gateway.name)?.value)),
    gatewayItems,
    fences,
    pools: named<Pool>(PREFIX.pools),
    nodes: named<Node>(PREFIX.nodes),
    agents: new Map(of<AgentStatus>(PREFIX.agents).map((item) => [item.value.node, item])),
    eventsByObject: () => eventsByObject(of<Event>(PREFIX.events)),
  };
}

/** True while a gateway has not caught up with the revision it was fenced at. */
export function isFenced({ appliedRevision }: GatewayStatus, fence: GatewayFence | undefined): boolean {
  return fence !== undefined && appliedRevision < fence.revision;
}

/** Items by their prefix `/…/`, in key order. */
function grouped(itemsByKey: ReadonlyMap<string, Mirrored<unknown>>): ReadonlyMap<string, Mirrored<unknown>[]> {
  const groups = new Map<string, Mirrored<unknown>[]>();
  for (const [key, item] of itemsByKey) {
    const prefix = key.slice(0, key.indexOf('/', 1) + 1);
    const group = groups.get(prefix);
    if (group === undefined) groups.set(prefix, [item]);
    else group.push(item);
  }
  // A mirror keeps the order of changes; decisions must not depend on it.
  for (const group of groups.values()) group.sort((a, b) => (a.key < b.key ? -1 : 1));
  return groups;
}

function releasesByApp(items: readonly Mirrored<Release>[]): ReadonlyMap<Name, ReadonlyMap<number, Mirrored<Release>>> {
  const byApp = new Map<Name, Map<number, Mirrored<Release>>>();
  for (const item of items) {
    const { app, number } = item.value;
    const releases = byApp.get(app) ?? new Map<number, Mirrored<Release>>();
    byApp.set(app, releases.set(number, item));
  }
  return byApp;
}

function instancesByService(items: readonly Mirrored<Instance>[]): ReadonlyMap<string, readonly Mirrored<Instance>[]> {
  const byService = new Map<string, Mirrored<Instance>[]>();
  for (const item of items) {
    const key = serviceKey(item.value.app, item.value.service);
    const instances = byService.get(key);
    if (instances === undefined) byService.set(key, [item]);
    else instances.push(item);
  }
  for (const instances of byService.values()) instances.sort((a, b) => a.value.slot - b.value.slot || a.value.serial - b.value.serial);
  return byService;
}

function eventsByObject(items: readonly Mirrored<Event>[]): ReadonlyMap<string, readonly Mirrored<Event>[]> {
  const byObject = new Map<string, Mirrored<Event>[]>();
  for (const item of items) {
    const events = byObject.get(item.value.object);
    if (events === undefined) byObject.set(item.value.object, [item]);
    else events.push(item);
  }
  return byObject;
}
