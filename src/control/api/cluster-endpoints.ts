import type { EventLine, EventView, StatusView } from '@haven/sdk';
import { z } from 'zod';
import { PlatformError } from '#base/errors';
import type { Event } from '#model/event';
import { PREFIX } from '#model/keys';
import type { StoreView } from '#model/store-view';
import type { Store } from '#store/store';
import { changeNode, type NodeChange, putPool, removePool } from './cluster-changes.ts';
import { readPrefix, readState } from './cluster-state.ts';
import { type ApiParts, type Endpoint, endpoint, json } from './endpoint.ts';
import { eventsIn, eventsOf, eventView, inOrder } from './follow.ts';
import { recordEvent } from './record-event.ts';
import { appView, attentionOf, gatewayView, nodeViews, poolView } from './views.ts';
import { whyView } from './why-view.ts';

const MAX_NODES = 200;
const resources = z.strictObject({ cpu: z.number().positive().max(1_024), memoryBytes: z.int().min(2 ** 20) });
const reason = z.string().max(200).optional();

/** Everything about the cluster itself: status, pools, nodes, gateways, events, reasons. */
export const CLUSTER_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/v1/status',
    summary: 'the whole cluster, and what needs attention',
    answers: 'StatusView',
    handle: async (parts) => json(await statusView(parts)),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/pools',
    summary: 'all pools',
    answers: 'PoolView[]',
    handle: async (parts) => {
      const state = await readState(parts);
      return json(state.pools.map(({ value }) => poolView(state, value)));
    },
  }),
  endpoint({
    method: 'PUT',
    path: '/v1/pools/:pool',
    summary: 'make a pool, or change its size',
    body: z.strictObject({ nodes: z.int().min(0).max(MAX_NODES), resources: resources.optional() }),
    answers: 'PoolView',
    handle: async (parts, { parameters, body }) => {
      const pool = parameters.name('pool');
      const changed = await putPool(parts.store, pool, { nodes: body.nodes, ...(body.resources ? { resources: body.resources } : {}) });
      return json(await poolNamed(parts, pool), changed ? 201 : 200);
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/v1/pools/:pool',
    summary: 'drain and remove the nodes of a pool, then the pool',
    answers: 'PoolView',
    handle: async (parts, { parameters }) => {
      const pool = parameters.name('pool');
      await removePool(parts.store, pool);
      return json(await poolNamed(parts, pool));
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/nodes',
    summary: 'all nodes with their condition and load',
    answers: 'NodeView[]',
    handle: async (parts) => json(nodeViews(await readState(parts))),
  }),
  nodeEndpoint('cordon', {
    summary: 'place nothing new on a node',
    body: z.strictObject({ reason }),
    change: (body) => ({ kind: 'cordon', reason: body.reason ?? 'asked for by an operator' }),
  }),
  nodeEndpoint('uncordon', { summary: 'allow placements on a node again', body: z.strictObject({}), change: () => ({ kind: 'uncordon' }) }),
  nodeEndpoint('drain', {
    summary: 'move all instances off a node, replacements first',
    body: z.strictObject({
      deadlineMs: z
        .int()
        .min(0)
        .max(7 * 86_400_000)
        .optional(),
      reason,
    }),
    change: (body) => ({ kind: 'drain', reason: body.reason ?? 'draining', ...(body.deadlineMs === undefined ? {} : { deadlineMs: body.deadlineMs }) }),
  }),
  nodeEndpoint('undrain', { summary: 'end a drain and allow placements again', body: z.strictObject({}), change: () => ({ kind: 'undrain' }) }),
  nodeEndpoint('power', {
    summary: 'pull the plug of a local node, or put it back',
    body: z.strictObject({ power: z.enum(['on', 'off']) }),
    change: (body) => ({ kind: 'power', power: body.power }),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/gateways',
    summary: 'all gateways that live',
    answers: 'GatewayView[]',
    handle: async (parts) => json((await readState(parts)).gateways.map(({ value }) => gatewayView(value))),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/events',
    summary: 'what happened, oldest first: of one object, of an app with all it has, or of everything',
    query: z.object({
      object: z.string().max(160).optional(),
      app: z.string().max(40).optional(),
      limit: z.coerce.number().int().min(1).max(10_000).default(200),
      follow: z.literal('1').optional(),
    }),
    answers: 'EventView[], or EventLine (NDJSON) with follow=1',
    handle: async ({ store, view }, { query, signal }) => {
      const { follow, limit, object, app } = query;
      const meant = { ...(object === undefined ? {} : { object }), ...(app === undefined ? {} : { app }) };
      if (!follow) return json((await pastEvents(store, meant)).slice(-limit));
      return { kind: 'lines', lines: followEvents({ store, view }, { ...meant, limit, signal }) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/why',
    summary: 'why something is as it is, and what would help',
    query: z.object({ object: z.string().min(1).max(160) }),
    answers: 'WhyView',
    handle: async (parts, { query }) => {
      const state = await readState(parts);
      return json(await whyView({ state, store: parts.store }, query.object));
    },
  }),
];

function nodeEndpoint<Body>(
  verb: string,
  definition: { readonly summary: string; readonly body: z.ZodType<Body>; readonly change: (body: Body) => NodeChange },
): Endpoint {
  return endpoint<Body>({
    method: 'POST',
    path: `/v1/nodes/:node/${verb}`,
    summary: definition.summary,
    body: definition.body,
    answers: 'NodeView',
    handle: async ({ world, store }, { parameters, body }) => {
      const node = parameters.name('node');
      const change = definition.change(body);
      const changed = await changeNode(store, node, { change, now: world.clock.wall() });
      const how = change.kind === 'power' ? `power ${change.power}` : change.kind;
      if (changed) await recordEvent(world, store, { object: `node/${node}`, level: 'info', kind: change.kind, message: `An operator asked for: ${how}` });
      const view = nodeViews(await readState({ world, store })).find((candidate) => candidate.name === node);
      if (!view) throw new PlatformError('NOT_FOUND', `Cannot find node "${node}"`, { next: 'haven node ls' });
      return json(view);
    },
  });
}

async function statusView({ store, world, version, startedAt }: ApiParts): Promise<StatusView> {
  const [state, { revision, oldest, keys }] = await Promise.all([readState({ world, store }), store.status()]);
  const apps = state.apps.map((app) => appView(state, app));
  const nodes = nodeViews(state);
  const { leader } = state;
  return {
    version,
    startedAt,
    now: world.clock.wall(),
    store: { revision, oldest, keys },
    ...(leader ? { leader: { name: leader.value.identity, epoch: leader.createRevision } } : {}),
    pools: state.pools.map(({ value }) => poolView(state, value)),
    nodes,
    gateways: state.gateways.map(({ value }) => gatewayView(value)),
    apps,
    attention: attentionOf(state, { apps, nodes }),
  };
}

async function poolNamed(parts: ApiParts, pool: string) {
  const state = await readState(parts);
  const found = state.pools.find(({ value }) => value.name === pool);
  if (!found) throw new PlatformError('NOT_FOUND', `Cannot find pool "${pool}"`, { next: 'haven pool ls' });
  return poolView(state, found.value);
}

interface EventFilter {
  readonly object?: string;
  readonly app?: string;
}

async function pastEvents(store: Store, filter: EventFilter): Promise<EventView[]> {
  if (filter.app !== undefined) return await eventsOf(store, filter.app);
  const prefix = filter.object === undefined ? PREFIX.events : `${PREFIX.events}${filter.object}/`;
  return inOrder((await readPrefix<Event>(store, prefix)).map(({ key, value }) => eventView(key, value)));
}

async function* followEvents(
  parts: { readonly store: Store; readonly view: StoreView },
  options: EventFilter & { readonly limit: number; readonly signal: AbortSignal },
): AsyncGenerator<EventLine, void, undefined> {
  const { object, signal } = options;
  const { revision } = await parts.store.status();
  const batches = parts.view.watch(PREFIX.events, { fromRevision: revision + 1, signal });
  const seen = new Set<string>();
  for (const event of (await pastEvents(parts.store, options)).slice(-options.limit)) {
    seen.add(event.id);
    yield { kind: 'event', event };
  }
  for await (const batch of batches) {
    for (const event of eventsIn(batch, options.app)) {
      const isMeant = object === undefined || event.object === object || event.object.startsWith(`${object}/`);
      // What came between the two reads is in both.
      if (isMeant && !seen.delete(event.id)) yield { kind: 'event', event };
    }
  }
}
