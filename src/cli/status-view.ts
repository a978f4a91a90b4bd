import type { AppView, InstanceView, NodeView, ServiceView, StatusView } from '@haven/sdk';
import { formatSize } from '#base/bytes';
import { formatAge, paint, plural, printable, tableLines } from './output.ts';
import { paintState } from './state-style.ts';
import type { GatewayTraffic, ServiceTraffic } from './traffic.ts';

/** All that one screen of status shows, read at about the same moment. */
export interface StatusSnapshot {
  readonly status: StatusView;
  readonly instances: readonly InstanceView[];
  /** What the first gateway says of its routes; absent if it does not answer. */
  readonly traffic?: GatewayTraffic;
  /** Only this app; all if absent. */
  readonly app?: string;
}

/** The status as lines for a person: head, nodes, apps with their instances, routes, and last what needs attention. */
export function renderStatus(snapshot: StatusSnapshot): readonly string[] {
  const { status, app } = snapshot;
  const apps = status.apps.filter((view) => app === undefined || view.name === app);
  const sections = [
    headLines(status),
    app === undefined ? nodeLines(status.nodes) : [],
    appLines(apps, snapshot),
    routeLines(apps, snapshot),
    attentionLines(status, app),
  ];
  return sections.filter((lines) => lines.length > 0).flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]));
}

function headLines(status: StatusView): readonly string[] {
  const ready = status.nodes.filter((node) => node.condition === 'ready').length;
  const gateways = status.gateways.map((gateway) => `http://${gateway.address.host}:${gateway.address.port}`);
  const parts = [
    paint('bold', `Haven ${status.version}`),
    `up ${formatAge(status.now - status.startedAt)}`,
    status.leader ? `led by ${status.leader.name}` : paint('red', 'nobody leads'),
    `${ready} of ${plural(status.nodes.length, 'node')} ready`,
    gateways.length > 0 ? `apps at ${gateways.join(', ')}` : paint('red', 'no gateway'),
  ];
  return [parts.join(' · ')];
}

function nodeLines(nodes: readonly NodeView[]): readonly string[] {
  if (nodes.length === 0) return ['No nodes. Next: haven pool create worker --nodes 3'];
  return tableLines(NODE_HEAD, nodes.map(nodeRow));
}

/** Heads of `nodeRow`. */
export const NODE_HEAD = ['NODE', 'POOL', 'CONDITION', '>INSTANCES', '>CPU', '>MEMORY', 'NOTE'];

/** One node as cells of a table. */
export function nodeRow(node: NodeView): readonly string[] {
  const { capacity, reserved } = node;
  const notes = [
    node.power === 'on' ? undefined : node.power === 'off' ? 'powered off' : 'being removed',
    node.drain ? (node.instances === 0 ? 'drained' : 'draining') : undefined,
    // A drain without a reason cordons by itself, which tells nothing more.
    node.cordon && !(node.drain && node.cordon.reason === 'draining') ? `cordoned${node.cordon.reason === '' ? '' : `: ${node.cordon.reason}`}` : undefined,
    node.limits === 'none' ? 'limits not enforced' : undefined,
  ];
  return [
    node.name,
    node.pool,
    paintState(node.condition),
    String(node.instances),
    capacity ? `${round(reserved.cpu)}/${round(capacity.cpu)}` : '-',
    capacity ? `${formatSize(reserved.memoryBytes)}/${formatSize(capacity.memoryBytes)}` : '-',
    printable(notes.filter((note) => note !== undefined).join(', ')),
  ];
}

function appLines(apps: readonly AppView[], { instances, status, app }: StatusSnapshot): readonly string[] {
  if (apps.length === 0) return [app === undefined ? 'No apps. Next: haven deploy' : `No app "${app}"`];
  const rows = apps.flatMap((view) => [
    [paint('bold', view.name), paintState(view.state), `release ${view.release}`, '', '', ''],
    ...view.services.flatMap((service) => [
      [
        `  ${service.service}`,
        service.phase === 'idle' ? '' : service.phase,
        `${service.healthy} of ${service.count} healthy`,
        '',
        '',
        service.mode === 'active-standby' ? `active/standby${service.activeSlot === undefined ? '' : `, ${service.service}.${service.activeSlot} active`}` : '',
      ],
      ...instances
        .filter((instance) => instance.app === view.name && instance.service === service.service)
        .map((instance) => [
          `    ${instance.name}`,
          paintState(instance.state),
          instance.release === view.release ? instance.node : `${instance.node}, release ${instance.release}`,
          formatAge(status.now - instance.since),
          instance.restarts === 0 ? '' : plural(instance.restarts, 'restart'),
          isWell(instance) ? tierNote(instance) : printable(instance.reason),
        ]),
    ]),
  ]);
  return tableLines(['APP', 'STATE', 'WHERE', '>SINCE', '', ''], rows);
}

function tierNote(instance: InstanceView): string {
  return instance.tier === 'backup' ? 'standby' : '';
}

function isWell(instance: InstanceView): boolean {
  return instance.state === 'healthy' || instance.state === 'running';
}

function routeLines(apps: readonly AppView[], { traffic, status }: StatusSnapshot): readonly string[] {
  const rows = apps.flatMap((view) =>
    view.services.flatMap((service) =>
      placesOf(service, status).map((place) => {
        const name = `${view.name}/${service.service}`;
        return [place, name, ...trafficCells(traffic?.services[name])];
      }),
    ),
  );
  return rows.length === 0 ? [] : tableLines(['ROUTE', 'SERVICE', '>REQUESTS/S', '>P50', '>P95', '>P99', '>ERRORS', ''], rows);
}

function placesOf({ routes, tcpPorts = [] }: ServiceView, { gateways }: StatusView): readonly string[] {
  const https = gateways.find(({ httpsAddress }) => httpsAddress !== undefined)?.httpsAddress;
  const placeOf = ({ host, path, tls }: ServiceView['routes'][number]) => {
    if (tls === undefined) return `${host}${path}`;
    return `https://${host === '*' ? (https?.host ?? host) : host}${https === undefined ? '' : `:${https.port}`}${path}`;
  };
  return [...routes.map(placeOf), ...tcpPorts.map((port) => `tcp:${port}`)];
}

function trafficCells(traffic: ServiceTraffic | undefined): readonly string[] {
  if (!traffic) return ['-', '-', '-', '-', '-', ''];
  const { requestsPerSecond, p50Ms, p95Ms, p99Ms, errors, tier } = traffic;
  // Percentiles of nothing would read as very quick answers.
  const times = requestsPerSecond === 0 ? ['-', '-', '-'] : [p50Ms, p95Ms, p99Ms].map(milliseconds);
  return [String(round(requestsPerSecond)), ...times, errors === 0 ? '0' : paint('red', String(errors)), tierText(tier)];
}

function tierText(tier: string): string {
  if (tier === 'backup') return paint('yellow', 'served by the standby');
  if (tier === 'panic') return paint('red', 'too few healthy: all instances get requests');
  return tier === 'none' ? paint('red', 'no instance can serve it') : '';
}

function attentionLines(status: StatusView, app: string | undefined): readonly string[] {
  const attention = status.attention.filter((sentence) => app === undefined || sentence.includes(app));
  if (attention.length === 0) return app === undefined ? [paint('green', 'Nothing needs attention')] : [];
  return [paint('yellow', 'Needs attention'), ...attention.map((sentence) => `  ${printable(sentence)}`)];
}

function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

function round(value: number): number {
  return value < 10 ? Math.round(value * 100) / 100 : Math.round(value);
}
