import { PlatformError } from '#base/errors';
import type { Name } from '#base/name';
import { keyOf } from '#model/keys';
import { nearest } from '#model/nearest';
import type { Node, Pool } from '#model/node';
import type { Resources } from '#model/resources';
import type { Store } from '#store/store';
import type { UnixMs } from '#world/world';
import { readOne, readPrefix, type Stored } from './cluster-state.ts';

const MAX_TRIES = 8;
const DRAIN_DEADLINE_MS = 15 * 60_000;

/** Makes a pool or changes its size. False if it is so already. CONFLICT while it is being removed. */
export async function putPool(store: Store, pool: Name, wanted: { readonly nodes: number; readonly resources?: Resources }): Promise<boolean> {
  return await change<Pool>(store, { key: keyOf.pool(pool), what: `pool "${pool}"` }, async (current) => {
    if (current?.removing) throw new PlatformError('CONFLICT', `Cannot change pool "${pool}", because it is being removed`, { next: 'haven pool ls' });
    const resources = wanted.resources ?? current?.resources;
    const next: Pool = { name: pool, provider: 'local', nodes: wanted.nodes, ...(resources ? { resources } : {}), removing: false };
    return current && JSON.stringify(current) === JSON.stringify(next) ? undefined : next;
  });
}

/** Asks control to drain and remove the pool's nodes, then the pool. */
export async function removePool(store: Store, pool: Name): Promise<boolean> {
  return await change<Pool>(store, { key: keyOf.pool(pool), what: `pool "${pool}"` }, async (current) => {
    if (!current) throw await unknownName(store, { prefix: '/pools/', what: 'pool', name: pool, next: 'haven pool ls' });
    return current.removing ? undefined : { ...current, removing: true };
  });
}

/** A change of a node that an operator may ask for. */
export type NodeChange =
  | { readonly kind: 'cordon'; readonly reason: string }
  | { readonly kind: 'uncordon' }
  | { readonly kind: 'drain'; readonly deadlineMs?: number; readonly reason: string }
  | { readonly kind: 'undrain' }
  | { readonly kind: 'power'; readonly power: 'on' | 'off' };

/** Changes a node. False if it is so already. */
export async function changeNode(store: Store, node: Name, options: { readonly change: NodeChange; readonly now: UnixMs }): Promise<boolean> {
  return await change<Node>(store, { key: keyOf.node(node), what: `node "${node}"` }, async (current) => {
    if (!current) throw await unknownName(store, { prefix: '/nodes/', what: 'node', name: node, next: 'haven node ls' });
    if (current.power === 'removed')
      throw new PlatformError('CONFLICT', `Cannot change node "${node}", because it is being removed`, { next: 'haven node ls' });
    return changed(current, options);
  });
}

function changed(node: Node, { change, now }: { readonly change: NodeChange; readonly now: UnixMs }): Node | undefined {
  const { cordon, drain, ...rest } = node;
  switch (change.kind) {
    case 'cordon':
      return cordon ? undefined : { ...node, cordon: { since: now, reason: change.reason } };
    case 'uncordon':
      // A node that drains stays closed: `undrain` ends both.
      if (drain)
        throw new PlatformError('CONFLICT', `Cannot uncordon node "${node.name}", because it is draining`, { next: `haven node undrain ${node.name}` });
      return cordon ? rest : undefined;
    case 'drain': {
      const deadline = (now + (change.deadlineMs ?? DRAIN_DEADLINE_MS)) as UnixMs;
      // Draining again with a later deadline changes nothing; an earlier one counts, such as "now".
      if (drain && (change.deadlineMs === undefined || deadline >= drain.deadline)) return undefined;
      return { ...rest, cordon: cordon ?? { since: now, reason: change.reason }, drain: { since: drain?.since ?? now, deadline } };
    }
    case 'undrain':
      return cordon || drain ? rest : undefined;
    case 'power':
      return node.power === change.power ? undefined : { ...node, power: change.power };
  }
}

async function change<Value>(
  store: Store,
  { key, what }: { readonly key: string; readonly what: string },
  decide: (current: Value | undefined) => Promise<Value | undefined>,
): Promise<boolean> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const current: Stored<Value> | undefined = await readOne<Value>(store, key);
    const next = await decide(current?.value);
    if (next === undefined) return false;
    const { succeeded } = await store.transact({
      compare: [{ key, target: 'modRevision', is: '=', to: current?.modRevision ?? 0 }],
      then: [{ kind: 'put', key, value: JSON.stringify(next) }],
    });
    if (succeeded) return true;
  }
  throw new PlatformError('CONFLICT', `Cannot change ${what}, because others change it all the time`, { tries: MAX_TRIES });
}

async function unknownName(
  store: Store,
  asked: { readonly prefix: string; readonly what: string; readonly name: string; readonly next: string },
): Promise<PlatformError> {
  const names = (await readPrefix<{ readonly name: string }>(store, asked.prefix)).map(({ value }) => value.name);
  const meant = nearest(asked.name, names);
  return new PlatformError('NOT_FOUND', `Cannot find ${asked.what} "${asked.name}"${meant ? `; did you mean "${meant}"?` : ''}`, {
    known: names,
    next: asked.next,
  });
}
