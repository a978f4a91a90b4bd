import { formatSize } from '#base/bytes';
import type { LiveBackend, LiveService, LiveStatus } from '#gateway/live-status';
import { paint, plural, tableLines } from '../output.ts';

const mostRoutesShown = 2;

/** The live state of a gateway as lines: one table of services, one of backends, those in trouble with their reason. */
export function renderTop(status: LiveStatus): readonly string[] {
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
    ...tableLines(
      ['service', '>req/s', '>p50 ms', '>p99 ms', '>in flight', '>waiting', '>4xx', '>5xx', '>retries', 'from', 'routes'],
      services.map(([key, service]) => serviceRow(key, service)),
    ),
    '',
    ...tableLines(
      ['backend', 'service', 'health', '>share', '>in flight', '>answers', '>failed', '>ejected', 'why'],
      services.flatMap(([key, service]) => service.backends.map((backend) => backendRow(key, backend, service))),
    ),
    ...tcpLines(services),
  ];
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
    backend.reason,
  ];
}

function rate(perSecond: number): string {
  return perSecond >= 100 ? String(Math.round(perSecond)) : perSecond.toFixed(1);
}

function ms(durationMs: number): string {
  return durationMs >= 100 ? String(Math.round(durationMs)) : durationMs.toFixed(durationMs >= 10 ? 1 : 2);
}
