import { assert } from '#base/assert';
import type { Name } from '#base/name';
import { deploy, remove, rollback, scale } from '#control/api/app-changes';
import { changeNode, type NodeChange, putPool } from '#control/api/cluster-changes';
import { resolveApp } from '#model/resolve-spec';
import type { Store } from '#store/store';
import type { UnixMs } from '#world/world';

/** What a user asks for, as the API carries it out. Trying it again is safe. */
export type UserChange = (store: Store, now: UnixMs) => Promise<unknown>;

/** Deploys a config as people write it. */
export function deployed(config: { readonly name: string }): UserChange {
  const resolved = resolveApp(config);
  assert(resolved.ok, `the config is wrong: ${JSON.stringify(resolved.ok ? '' : resolved.issues)}`);
  const { spec } = resolved;
  return (store, now) => deploy(store, spec.name, { spec, now });
}

/** Goes back to the last stable release. */
export function rolledBack(app: string): UserChange {
  return (store, now) => rollback(store, app as Name, { now });
}

export function scaled(app: string, service: string, count: number): UserChange {
  return (store) => scale(store, app as Name, { service, count });
}

export function removed(app: string): UserChange {
  return (store) => remove(store, app as Name);
}

export function nodeChanged(node: string, change: NodeChange): UserChange {
  return (store, now) => changeNode(store, node as Name, { change, now });
}

export function poolSized(pool: Name, nodes: number): UserChange {
  return (store) => putPool(store, pool, { nodes });
}
