import type { InstanceView, WhyReason, WhyView } from '@haven/sdk';
import { PlatformError } from '#base/errors';
import type { FailureCause } from '#model/app';
import type { Event } from '#model/event';
import { PREFIX } from '#model/keys';
import { nearest } from '#model/nearest';
import type { Store } from '#store/store';
import { type ClusterState, readPrefix } from './cluster-state.ts';
import { eventView, inOrder } from './follow.ts';
import { appView, instanceViews, lastFailure, nodeViews } from './views.ts';

const MAX_EVENTS = 20;

interface Explanation {
  readonly state: string;
  readonly reasons: readonly WhyReason[];
}

/** Why an object is as it is. NOT_FOUND if there is none of that name. */
export async function whyView({ state, store }: { readonly state: ClusterState; readonly store: Store }, asked: string): Promise<WhyView> {
  const object = objectOf(state, asked);
  const { state: word, reasons } = explain(state, object);
  const events = inOrder((await readPrefix<Event>(store, `${PREFIX.events}${object}/`)).map(({ key, value }) => eventView(key, value)));
  return { object, state: word, reasons: reasons.length > 0 ? reasons : [{ message: fallback(word) }], events: events.slice(-MAX_EVENTS) };
}

/** States in which nothing is waited for. */
const SETTLED = new Set(['healthy', 'running', 'ready', 'alive', 'as wanted', 'stopped', 'gone']);

function fallback(state: string): string {
  return SETTLED.has(state) ? `Nothing is wrong: it is ${state}` : `It is ${state}; what happened last is below`;
}

/** What people write, such as `shop`, `shop/web`, `shop/web.2`, `web.2`, `worker-1`, `worker`, as the object of events: `service/shop/web`. */
export function objectOf(state: ClusterState, asked: string): string {
  const instances = instanceViews(state);
  const services = state.apps.flatMap((app) => appView(state, app).services);
  const text = asked.replace(/^(?:app|service|instance|node|gateway|pool)\/(?=.)/, '');
  const candidates = [
    ...state.apps.map(({ value }) => [value.name, `app/${value.name}`] as const),
    ...state.nodes.map(({ value }) => [value.name, `node/${value.name}`] as const),
    ...state.gateways.map(({ value }) => [value.name, `gateway/${value.name}`] as const),
    ...state.fences.map(({ value }) => [value.gateway, `gateway/${value.gateway}`] as const),
    ...state.pools.map(({ value }) => [value.name, `pool/${value.name}`] as const),
    ...services.map(({ app, service }) => [`${app}/${service}`, `service/${app}/${service}`] as const),
    ...services.map(({ app, service }) => [service, `service/${app}/${service}`] as const),
    ...instances.map(({ id }) => [id, `instance/${id}`] as const),
    // During a rollout the old and the new instance share a name: the younger is meant.
    ...instances.toReversed().flatMap(({ id, app, name }) => [[`${app}/${name}`, `instance/${id}`] as const, [name, `instance/${id}`] as const]),
  ];
  const kind = asked.slice(0, asked.length - text.length);
  const found = candidates.find(([name, object]) => name === text && object.startsWith(kind)) ?? candidates.find(([name]) => name === asked);
  if (found) return found[1];
  const names = [...new Set(candidates.map(([name]) => name))];
  const meant = nearest(asked, names);
  throw new PlatformError(
    'NOT_FOUND',
    `Cannot find "${asked}"${meant ? `; did you mean "${meant}"?` : ': it is no app, service, instance, node, gateway or pool'}`,
    {
      next: 'haven status',
    },
  );
}

function explain(state: ClusterState, object: string): Explanation {
  const [kind = '', first = '', second = ''] = object.split('/');
  switch (kind) {
    case 'instance':
      return explainInstance(state, first);
    case 'node':
      return explainNode(state, first);
    case 'service':
      return explainService(state, { app: first, service: second });
    case 'app':
      return explainApp(state, first);
    case 'pool':
      return explainPool(state, first);
    default:
      return explainGateway(state, first);
  }
}

function explainInstance(state: ClusterState, id: string): Explanation {
  const instance = instanceViews(state).find((candidate) => candidate.id === id);
  if (!instance) return { state: 'gone', reasons: [{ message: 'It is not there any more' }] };
  const node = explainNode(state, instance.node);
  const isNodeTheCause = node.state !== 'ready' && instance.state !== 'healthy';
  const waits = instance.state === 'pending' ? [{ message: `It waits for the agent of ${instance.node} to take it`, at: instance.since }] : [];
  return {
    state: instance.state,
    reasons: [
      ...waits,
      { message: messageOf(instance), at: instance.since, ...(instance.output ? { next: `haven logs ${instance.app}/${instance.name}` } : {}) },
      ...restartReason(instance),
      ...(isNodeTheCause ? node.reasons.map((reason) => ({ ...reason, message: `Its node ${instance.node} is ${node.state}: ${reason.message}` })) : []),
    ],
  };
}

/** Why an instance that was started again was; what its present state says already is not repeated. */
function restartReason({ app, name, attempt, lastEnd }: InstanceView): readonly WhyReason[] {
  if (lastEnd === undefined || lastEnd.attempt >= attempt) return [];
  return [{ message: `Attempt ${lastEnd.attempt} is over, so it was started again: ${lastEnd.reason}`, at: lastEnd.at, next: `haven logs ${app}/${name}` }];
}

function messageOf({ state, reason }: InstanceView): string {
  if (state === 'running') return `${reason === '' ? 'It runs' : reason}; no gateway has judged it yet`;
  return reason === '' ? `It is ${state}` : reason;
}

function explainPool(state: ClusterState, name: string): Explanation {
  const pool = state.pools.find(({ value }) => value.name === name)?.value;
  if (!pool) return { state: 'gone', reasons: [{ message: 'It was removed' }] };
  const nodes = nodeViews(state).filter((node) => node.pool === name);
  const troubled = nodes.filter((node) => node.condition !== 'ready' || node.power !== 'on' || node.drain || node.cordon);
  const missing = pool.removing ? 0 : Math.max(0, pool.nodes - nodes.length);
  const surplus = pool.removing ? nodes.length : Math.max(0, nodes.length - pool.nodes);
  const word = pool.removing ? 'removing' : missing > 0 ? 'growing' : surplus > 0 ? 'shrinking' : troubled.length > 0 ? 'degraded' : 'ready';
  const left = surplus === 1 ? '1 node has' : `${surplus} nodes have`;
  return {
    state: word,
    reasons: [
      ...(pool.removing ? [{ message: `Its removal was asked for; ${left} to be drained and switched off first` }] : []),
      ...(missing > 0 ? [{ message: `It has ${nodes.length} of ${pool.nodes} nodes; the control plane has not made the others yet` }] : []),
      ...(surplus > 0 && !pool.removing ? [{ message: `It is to have ${pool.nodes} nodes; ${left} to be drained and switched off first` }] : []),
      ...troubled.flatMap((node) => {
        const { state: condition, reasons } = explainNode(state, node.name);
        return reasons.map((reason) => ({ next: `haven why ${node.name}`, ...reason, message: `${node.name} is ${condition}: ${reason.message}` }));
      }),
    ],
  };
}

function explainGateway(state: ClusterState, name: string): Explanation {
  const fence = state.fences.find(({ value }) => value.gateway === name)?.value;
  if (fence === undefined) return { state: 'alive', reasons: [] };
  const next = 'restart the gateway if it does not come back by itself';
  return { state: 'fenced', reasons: [{ message: `It is counted out and nothing waits for it: ${fence.reason}`, at: fence.at, next }] };
}

function explainNode(state: ClusterState, name: string): Explanation {
  const node = nodeViews(state).find((candidate) => candidate.name === name);
  if (!node) return { state: 'gone', reasons: [{ message: 'There is no such node any more' }] };
  const undrain = `haven node undrain ${name}`;
  return {
    state: node.drain ? 'draining' : node.cordon ? 'cordoned' : node.condition,
    reasons: [
      ...(node.power === 'off' ? [{ message: 'It is switched off', next: `haven node power ${name} on` }] : []),
      ...(node.condition === 'lost' ? [{ message: 'Its agent does not answer: its lease has ended' }] : []),
      ...(node.condition === 'suspect' ? [{ message: 'Its agent missed a renewal of its lease' }] : []),
      ...(node.condition === 'down' && node.power === 'on' ? [{ message: 'Its agent has not joined yet' }] : []),
      ...(node.drain
        ? [{ message: `It is draining, ${node.instances} ${node.instances === 1 ? 'instance is' : 'instances are'} left`, at: node.drain.since, next: undrain }]
        : []),
      ...(node.cordon && !node.drain ? [{ message: `Nothing new is placed on it: ${node.cordon.reason}`, at: node.cordon.since, next: undrain }] : []),
    ],
  };
}

function explainService(state: ClusterState, wanted: { readonly app: string; readonly service: string }): Explanation {
  const known = state.services.find(({ value }) => value.app === wanted.app && value.service === wanted.service)?.value;
  const view = state.apps
    .flatMap((app) => (app.value.name === wanted.app ? appView(state, app).services : []))
    .find(({ service }) => service === wanted.service);
  const pending = view?.pending ?? known?.pending ?? ['the control plane has not looked at it yet'];
  const isUp = view !== undefined && view.healthy >= view.count;
  // One that runs and is not judged yet is worth a word only while instances are missing.
  const instances = instanceViews(state, wanted).filter((instance) => instance.state !== 'healthy' && !(isUp && instance.state === 'running'));
  const { rollout } = known ?? {};
  const phase = rollout?.phase ?? 'waiting';
  const told = pending.length + instances.length;
  // What the verdict on the release says is not what waits, too.
  const waits = pending.filter((message) => rollout?.phase !== 'failed' || !message.endsWith(rollout.cause.message));
  return {
    state: phase === 'idle' ? (pending.length > 0 ? 'pending' : isUp ? 'as wanted' : 'degraded') : phase,
    reasons: [
      ...(rollout?.phase === 'failed' ? [verdict(`Release ${rollout.release} failed`, rollout)] : []),
      ...(rollout?.phase === 'rolling'
        ? [{ message: `Release ${rollout.release} is being rolled out: ${rollout.healthy} of its instances are healthy`, at: rollout.startedAt }]
        : []),
      ...waits.map((message) => ({ message })),
      ...instances.map((instance) => ({
        message: `${instance.name} is ${instance.state}: ${messageOf(instance)}`,
        at: instance.since,
        next: `haven why ${wanted.app}/${instance.name}`,
      })),
      ...(view !== undefined && !isUp && told === 0 ? [{ message: `${view.healthy} of ${view.count} instances are healthy` }] : []),
    ],
  };
}

/** That something failed, why, when, and what helps where that is known. */
function verdict(what: string, { cause, at }: { readonly cause: FailureCause; readonly at: number }): WhyReason {
  const next = cause.code === 'not-placed' ? 'ask for less, or make nodes that have it: haven pool create' : undefined;
  return { message: `${what}: ${cause.message}`, at, ...(next === undefined ? {} : { next }) };
}

function explainApp(state: ClusterState, name: string): Explanation {
  const stored = state.apps.find(({ value }) => value.name === name);
  if (!stored) return { state: 'gone', reasons: [{ message: 'It was removed' }] };
  const app = appView(state, stored);
  const failed = lastFailure(state, name);
  const failure = failed === undefined ? [] : [verdict(`Release ${failed.release} ${failed.outcome.kind}`, failed.outcome)];
  const removing = app.state === 'removing' ? [{ message: 'Its removal was asked for: everything of it is stopped first' }] : [];
  const services = app.services.flatMap(({ service }) =>
    explainService(state, { app: name, service })
      .reasons.filter(({ message }) => failed === undefined || !message.endsWith(failed.outcome.cause.message))
      .map((reason) => ({ ...reason, message: `${service}: ${reason.message}` })),
  );
  return { state: app.state, reasons: [...removing, ...failure, ...services] };
}
