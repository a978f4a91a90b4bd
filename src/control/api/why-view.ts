import type { WhyReason, WhyView } from '@haven/sdk';
import { PlatformError } from '#base/errors';
import type { Event } from '#model/event';
import { PREFIX } from '#model/keys';
import { nearest } from '#model/nearest';
import type { Store } from '#store/store';
import { type ClusterState, readPrefix } from './cluster-state.ts';
import { eventView, inOrder } from './follow.ts';
import { appView, instanceViews, nodeViews } from './views.ts';

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
  return { object, state: word, reasons: reasons.length > 0 ? reasons : [{ message: `Nothing is wrong: it is ${word}` }], events: events.slice(-MAX_EVENTS) };
}

/** What people write, such as `shop`, `shop/web`, `shop/web.2`, `web.2`, `worker-1`, as the object of events: `service/shop/web`. */
export function objectOf(state: ClusterState, asked: string): string {
  const instances = instanceViews(state);
  const services = state.apps.flatMap((app) => appView(state, app).services);
  const text = asked.replace(/^(?:app|service|instance|node|gateway)\/(?=.)/, '');
  const candidates = [
    ...state.apps.map(({ value }) => [value.name, `app/${value.name}`] as const),
    ...state.nodes.map(({ value }) => [value.name, `node/${value.name}`] as const),
    ...state.gateways.map(({ value }) => [value.name, `gateway/${value.name}`] as const),
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
  throw new PlatformError('NOT_FOUND', `Cannot find "${asked}"${meant ? `; did you mean "${meant}"?` : ': it is no app, service, instance, node or gateway'}`, {
    next: 'haven status',
  });
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
    default:
      return { state: 'alive', reasons: [] };
  }
}

function explainInstance(state: ClusterState, id: string): Explanation {
  const instance = instanceViews(state).find((candidate) => candidate.id === id);
  if (!instance) return { state: 'gone', reasons: [{ message: 'It is not there any more' }] };
  const node = explainNode(state, instance.node);
  const isNodeTheCause = node.state !== 'ready' && instance.state !== 'healthy';
  return {
    state: instance.state,
    reasons: [
      { message: instance.reason, at: instance.since, ...(instance.output ? { next: `haven logs ${instance.app}/${instance.name}` } : {}) },
      ...(isNodeTheCause ? node.reasons.map((reason) => ({ ...reason, message: `Its node ${instance.node} is ${node.state}: ${reason.message}` })) : []),
    ],
  };
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
      ...(node.drain ? [{ message: `It is draining, ${node.instances} instances are left`, at: node.drain.since, next: undrain }] : []),
      ...(node.cordon && !node.drain ? [{ message: `Nothing new is placed on it: ${node.cordon.reason}`, at: node.cordon.since, next: undrain }] : []),
    ],
  };
}

function explainService(state: ClusterState, wanted: { readonly app: string; readonly service: string }): Explanation {
  const known = state.services.find(({ value }) => value.app === wanted.app && value.service === wanted.service)?.value;
  const instances = instanceViews(state, wanted).filter((instance) => instance.state !== 'healthy' && instance.state !== 'running');
  const failed =
    known?.rollout.phase === 'failed' ? [{ message: `Release ${known.rollout.release} failed: ${known.rollout.cause.message}`, at: known.rollout.at }] : [];
  return {
    state: known?.rollout.phase === 'idle' && known.pending.length === 0 ? 'as wanted' : (known?.rollout.phase ?? 'waiting'),
    reasons: [
      ...failed,
      ...(known?.pending ?? ['The control plane has not looked at it yet']).map((message) => ({ message })),
      ...instances.map(({ name, state: word, reason, since }) => ({
        message: `${name} is ${word}: ${reason}`,
        at: since,
        next: `haven why ${wanted.app}/${name}`,
      })),
    ],
  };
}

function explainApp(state: ClusterState, name: string): Explanation {
  const stored = state.apps.find(({ value }) => value.name === name);
  if (!stored) return { state: 'gone', reasons: [{ message: 'It was removed' }] };
  const app = appView(state, stored);
  const { outcome } = app;
  const failure =
    outcome?.kind === 'failed' || outcome?.kind === 'reverted'
      ? [{ message: `Release ${app.release} ${outcome.kind}: ${outcome.cause.message}`, at: outcome.at }]
      : [];
  const services = app.services.flatMap(({ service }) =>
    explainService(state, { app: name, service }).reasons.map((reason) => ({ ...reason, message: `${service}: ${reason.message}` })),
  );
  return { state: app.state, reasons: [...failure, ...services] };
}
