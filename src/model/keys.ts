/**
 * Where each object lives in the store. One writer per prefix, so that nobody overwrites another's facts:
 *
 * | prefix        | object                       | written by |
 * |---------------|------------------------------|------------|
 * | /apps/        | App                          | API (intent), control (rollout state) — both by compare-and-set |
 * | /releases/    | Release                      | API, once; control marks the outcome |
 * | /services/    | ServiceState                 | control |
 * | /instances/   | Instance                     | control |
 * | /statuses/    | InstanceStatus               | the agent of the instance's node |
 * | /routes/      | Route                        | control |
 * | /gateways/    | GatewayStatus, under a lease | the gateway |
 * | /fences/      | GatewayFence                 | control |
 * | /pools/       | Pool                         | API |
 * | /nodes/       | Node                         | control (from pools), API (cordon, power) |
 * | /agents/      | AgentStatus, under a lease   | the node's agent; gone = lease expired |
 * | /events/      | Event                        | whoever acts; bounded per object |
 * | /secrets/     | sealed secret                | API |
 * | /leader       | leader record, under a lease | control; its create revision is the epoch |
 */
import type { Name } from '#base/name';
import type { InstanceId } from './instance.ts';

export const PREFIX = {
  apps: '/apps/',
  releases: '/releases/',
  services: '/services/',
  instances: '/instances/',
  statuses: '/statuses/',
  routes: '/routes/',
  gateways: '/gateways/',
  fences: '/fences/',
  pools: '/pools/',
  nodes: '/nodes/',
  agents: '/agents/',
  events: '/events/',
  secrets: '/secrets/',
} as const;

export const LEADER_KEY = '/leader';

export const keyOf = {
  app: (app: Name) => `${PREFIX.apps}${app}`,
  /** Release numbers are padded so that key order is release order. */
  release: (app: Name, release: number) => `${PREFIX.releases}${app}/${String(release).padStart(8, '0')}`,
  releasesOf: (app: Name) => `${PREFIX.releases}${app}/`,
  service: (app: Name, service: Name) => `${PREFIX.services}${app}/${service}`,
  servicesOf: (app: Name) => `${PREFIX.services}${app}/`,
  instance: (id: InstanceId) => `${PREFIX.instances}${id}`,
  /** Instance ids begin with `app.service.`, so one prefix finds those of a service. */
  instancesOf: (app: Name, service: Name) => `${PREFIX.instances}${app}.${service}.`,
  status: (id: InstanceId) => `${PREFIX.statuses}${id}`,
  route: (app: Name, service: Name) => `${PREFIX.routes}${app}/${service}`,
  gateway: (gateway: Name) => `${PREFIX.gateways}${gateway}`,
  fence: (gateway: Name) => `${PREFIX.fences}${gateway}`,
  pool: (pool: Name) => `${PREFIX.pools}${pool}`,
  node: (node: Name) => `${PREFIX.nodes}${node}`,
  agent: (node: Name) => `${PREFIX.agents}${node}`,
  /** `object` is a path such as `app/shop`, `instance/shop.web.2-7`, `node/worker-1`; `sequence` orders events of one object. */
  event: (object: string, sequence: string) => `${PREFIX.events}${object}/${sequence}`,
  eventsOf: (object: string) => `${PREFIX.events}${object}/`,
  secret: (secret: Name) => `${PREFIX.secrets}${secret}`,
} as const;
