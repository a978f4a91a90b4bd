import type { Name } from '#base/name';
import { keyOf } from '#model/keys';
import type { Mirrored } from '#model/mirror';
import { later, type Moment } from '#model/moment';
import type { Node, Pool } from '#model/node';
import { deleteKey, putJson, unchanged } from './leader-writer.ts';
import { note, type Pass } from './pass.ts';

/** Why a node that its pool gives up is cordoned; a pool that grows again recognises its own by it. */
const SHRINK_REASON = 'its pool shrinks';

/** Pool → nodes POOL-1 … POOL-n. A pool that shrinks drains its highest nodes, switches them off when empty, and deletes them when their agent is gone. */
export async function reconcilePools(pass: Pass): Promise<void> {
  const usedIndexes = new Set([...pass.snapshot.nodes.values()].map(({ value }) => value.index));
  for (const pool of pass.snapshot.pools.values()) {
    await pass.attempt(`pool/${pool.value.name}`, async () => {
      const nodes = [...pass.snapshot.nodes.values()].filter(({ value }) => value.pool === pool.value.name);
      await createMissing(pass, pool.value, usedIndexes);
      for (const node of nodes) await settle(pass, node, isWanted(pool.value, node.value));
      if (pool.value.removing && nodes.length === 0) await removePool(pass, pool);
    });
  }
}

function isWanted(pool: Pool, node: Node): boolean {
  if (pool.removing) return false;
  const number = Number(node.name.slice(pool.name.length + 1));
  return number >= 1 && number <= pool.nodes;
}

async function createMissing(pass: Pass, pool: Pool, usedIndexes: Set<number>): Promise<void> {
  if (pool.removing) return;
  for (let number = 1; number <= pool.nodes; number++) {
    const name = `${pool.name}-${number}` as Name;
    if (pass.snapshot.nodes.has(name)) continue;
    const node: Node = {
      name,
      pool: pool.name,
      provider: pool.provider,
      index: lowestFree(usedIndexes),
      ...(pool.resources === undefined ? {} : { resources: pool.resources }),
      labels: { pool: pool.name },
      power: 'on',
    };
    usedIndexes.add(node.index);
    const key = keyOf.node(name);
    await pass.writer.write({ compare: [unchanged(key, 0)], operations: [putJson(key, node)] });
    note(pass, `node/${name}`, { kind: 'node-created', message: `pool ${pool.name} wants ${pool.nodes} nodes` });
  }
}

/** One step of a node towards what its pool wants of it. */
async function settle(pass: Pass, { key, value: node, modRevision }: Mirrored<Node>, wanted: boolean): Promise<void> {
  const next = wanted ? taken(node) : givenUp(pass, node);
  if (next === node) return;
  const operations =
    next === undefined ? [deleteKey(key), { kind: 'delete' as const, range: { prefix: keyOf.eventsOf(`node/${node.name}`) } }] : [putJson(key, next)];
  const isWritten = await pass.writer.write({ compare: [unchanged(key, modRevision)], operations });
  if (isWritten && next !== undefined) note(pass, `node/${node.name}`, { kind: kindOf(next), message: wanted ? 'its pool wants it again' : SHRINK_REASON });
}

function kindOf(node: Node): string {
  if (node.power === 'removed') return 'node-removed';
  return node.drain === undefined ? 'node-kept' : 'node-draining';
}

/** A node that was being given up and is wanted again. */
function taken(node: Node): Node {
  if (node.cordon?.reason !== SHRINK_REASON && node.power !== 'removed') return node;
  const { cordon: _cordon, drain: _drain, ...rest } = node;
  return { ...rest, power: 'on' };
}

/** Drain, then off, then gone: `undefined`. */
function givenUp(pass: Pass, node: Node): Node | undefined {
  if (node.power === 'removed') return pass.snapshot.agents.has(node.name) ? node : undefined;
  if (node.drain !== undefined) return isDone(pass, node, node.drain.deadline) ? { ...node, power: 'removed' } : node;
  const deadline = later(pass.now, pass.options.shrinkDrainMs);
  return { ...node, cordon: { since: pass.now, reason: SHRINK_REASON }, drain: { since: pass.now, deadline } };
}

/** Empty, or nobody there to empty it, or out of time (D2): once it is switched off, nothing of its instances can be left. */
function isDone(pass: Pass, node: Node, deadline: Moment): boolean {
  const condition = pass.conditions.get(node.name);
  if (condition === 'lost' || condition === 'down' || deadline <= pass.now) return true;
  return ![...pass.snapshot.instancesOf.values()].some((instances) => instances.some(({ value }) => value.node === node.name));
}

async function removePool(pass: Pass, { key, value, modRevision }: Mirrored<Pool>): Promise<void> {
  await pass.writer.write({
    compare: [unchanged(key, modRevision)],
    operations: [deleteKey(key), { kind: 'delete', range: { prefix: keyOf.eventsOf(`pool/${value.name}`) } }],
  });
}

function lowestFree(used: ReadonlySet<number>): number {
  let index = 1;
  while (used.has(index)) index++;
  return index;
}
