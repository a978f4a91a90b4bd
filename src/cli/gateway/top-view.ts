import { formatSize } from '#base/bytes';
import type { LiveBackend, LiveService, LiveStatus } from '#gateway/live-status';
import { paint, plural, tableLines, widthOf } from '../output.ts';

const mostRoutesShown = 2;
const SERVICE_HEAD = ['service', '>req/s', '>p50 ms', '>p99 ms', '>in flight', '>waiting', '>4xx', '>5xx', '>retries', 'from', 'routes'] as const;
const BACKEND_HEAD = ['backend', 'service', 'health', '>share', '>in flight', '>answers', '>failed', '>ejected'] as const;
/** What a narrow terminal can do without, the first one first. */
const SERVICE_SPARES = ['routes', '>retries', '>4xx', '>waiting'] as const;
const BACKEND_SPARES = ['>share', '>answers', '>in flight'] as const;

/** The live state of a gateway as lines: one table of services, one of backends, those in trouble with their reason. What fits in `columns`, if anything can. */
export function renderTop(status: LiveStatus, columns = Number.POSITIVE_INFINITY): readonly string[] {
  const services = Object.entries(status.services).sort(([, a], [, b]) => b.requestsPerSecond - a.requestsPerSecond);
  const total = services.reduce((sum, [, { requestsPerSecond }]) => sum + requestsPerSecond, 0);
  const facts = [
    status.gateway,
    `revision ${status.revision}`,
    plural(status.workers.length, 'worker'),
    formatSize(status.memoryBytes),
    plural(status.clients, 'client'),
    `${rate(total)} requests/s`,
  ];
  return [
    facts.join(' · '),
    '',
    ...fittingTable(
      { head: SERVICE_HEAD, spares: SERVICE_SPARES },
      services.map(([key, service]) => serviceRow(key, service)),
      columns,
    ),
    '',
    ...backendLines(services, columns),
    ...tcpLines(services),
  ];
}

/** Why a backend is not well is what one looks for: it has a line of its own where it does not fit beside the rest. */
function backendLines(services: readonly (readonly [string, LiveService])[], columns: number): readonly string[] {
  const backends = services.flatMap(([key, service]) => service.backends.map((backend) => ({ row: backendRow(key, backend, service), why: backend.reason })));
  const whole = tableLines(
    [...BACKEND_HEAD, 'why'],
    backends.map(({ row, why }) => [...row, why]),
  );
  if (fits(whole, columns)) return whole;
  const [head = '', ...lines] = fittingTable(
    { head: BACKEND_HEAD, spares: BACKEND_SPARES },
    backends.map(({ row }) => row),
    columns,
  );
  return [head, ...lines.flatMap((line, index) => [line, ...(backends[index]?.why ? [`  ${backends[index].why}`] : [])])];
}

/** Without as many of the spares as it takes. */
function fittingTable(
  { head, spares }: { readonly head: readonly string[]; readonly spares: readonly string[] },
  rows: readonly (readonly string[])[],
  columns: number,
): readonly string[] {
  for (let dropped = 0; ; dropped++) {
    const isKept = (_: string, column: number) => !spares.slice(0, dropped).includes(head[column] as string);
    const lines = tableLines(
      head.filter(isKept),
      rows.map((row) => row.filter(isKept)),
    );
    if (dropped >= spares.length || fits(lines, columns)) return lines;
  }
}

function fits(lines: readonly string[], columns: number): boolean {
  return lines.every((line) => widthOf(line) <= columns);
}

/** A table of the services whose connections are carried as they are, if there are any. */
function tcpLines(services: readonly (readonly [string, LiveService])[]): readonly string[] {
  const rows = services.flatMap(([key, { tcp, inFlight, held }]) => {
    if (tcp === undefined) return [];
    const bytes = (perSecond: number) => formatSize(Math.round(perSecond));
    return [[key, String(inFlight), rate(tcp.connectionsPerSecond), String(held), bytes(tcp.bytesToBackendsPerSecond), bytes(tcp.bytesToClientsPerSecond)]];
  });
  if (rows.length === 0) return [];
  return ['', ...tableLines(['TCP service', '>open', '>opened/s', '>waiting', '>to backends/s', '>to clients/s'], rows)];
}

function serviceRow(key: string, service: LiveService): readonly string[] {
  const failed = service.answers['5xx'] ?? 0;
  return [
    key,
    rate(service.requestsPerSecond),
    ms(service.p50Ms),
    ms(service.p99Ms),
    String(service.inFlight),
    String(service.held),
    String(service.answers['4xx'] ?? 0),
    failed === 0 ? '0' : paint('red', String(failed)),
    String(service.retries),
    service.tier === 'panic' || service.tier === 'none' ? paint('red', service.tier) : service.tier,
    routesOf(service),
  ];
}

/** Its first routes: a service may have hundreds. */
function routesOf({ matches }: LiveService): string {
  const shown = matches.slice(0, mostRoutesShown).join(' ');
  return matches.length > mostRoutesShown ? `${shown} and ${matches.length - mostRoutesShown} more` : shown;
}

function backendRow(key: string, backend: LiveBackend, service: LiveService): readonly string[] {
  const answers = service.backends.reduce((sum, other) => sum + other.answers, 0);
  const health = backend.state === 'draining' ? 'draining' : backend.health;
  return [
    backend.name === backend.address ? backend.address : `${backend.name} ${backend.address}`,
    backend.tier === 'backup' ? `${key} (backup)` : key,
    health === 'failing' ? paint('red', health) : health === 'passing' ? paint('green', health) : paint('yellow', health),
    answers === 0 ? '-' : `${Math.round((100 * backend.answers) / answers)}%`,
    String(backend.inFlight),
    String(backend.answers),
    String(backend.failures),
    String(backend.ejections),
  ];
}

function rate(perSecond: number): string {
  return perSecond >= 100 ? String(Math.round(perSecond)) : perSecond.toFixed(1);
}

function ms(durationMs: number): string {
  return durationMs >= 100 ? String(Math.round(durationMs)) : durationMs.toFixed(durationMs >= 10 ? 1 : 2);
}
