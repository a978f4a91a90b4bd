import type { DeployEvent, GatewayView, ServiceView } from '@haven/sdk';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { formatTook, paint, plural, printable } from './output.ts';

/** How a deploy ended, as the last line of its stream says. */
export type DeployResult = Extract<DeployEvent, { readonly kind: 'result' }>;

/** The truth about the deploy as an exit code. */
export function exitCodeOfDeploy(result: DeployResult): ExitCode {
  switch (result.outcome) {
    case 'stable':
      return EXIT.ok;
    case 'reverted':
      return EXIT.rolledBack;
    case 'failed':
      return result.cause?.code === 'not-placed' ? EXIT.notPlaced : EXIT.failed;
    case 'superseded':
    case 'removed':
      return EXIT.conflict;
    default:
      // An outcome that only a newer server knows is not a success.
      return EXIT.failed;
  }
}

/** That the release runs; without `tookMs` it did before, so that what runs of it now may be less than all. */
export function successLine(
  { app, release }: Pick<DeployResult, 'app' | 'release'>,
  { services, tookMs }: { readonly services: readonly Pick<ServiceView, 'count' | 'healthy'>[]; readonly tookMs?: number },
): string {
  const count = services.reduce((sum, service) => sum + service.count, 0);
  const healthy = services.reduce((sum, service) => sum + Math.min(service.count, service.healthy), 0);
  if (tookMs === undefined && healthy < count)
    return `${app} is at release ${release}; ${healthy} of ${plural(count, 'instance')} are healthy now. Next: haven why ${app}`;
  return `${paint('green', '✓', process.stderr)} ${app} runs release ${release}${tookMs === undefined ? '' : ` after ${formatTook(tookMs)}`}`;
}

/** Why the deploy did not become stable, with the last output of whoever failed, and what runs now. Empty for a stable one. */
export function failureLines(result: DeployResult): readonly string[] {
  const { app, release, outcome, cause } = result;
  if (outcome === 'stable') return [];
  if (outcome === 'superseded') {
    const by = result.supersededBy === undefined ? 'a newer deploy' : `release ${result.supersededBy}`;
    return [`Release ${release} of ${app} was superseded by ${by}. Next: haven status ${app}`];
  }
  if (outcome === 'removed') return [`${app} was removed while release ${release} was being deployed`];
  const verb = outcome === 'reverted' ? 'failed and was rolled back' : 'failed';
  const instance = cause?.code === 'release-command' ? 'the release command' : cause?.instance && shortName(cause.instance);
  // The sentence of the cause often names one or both already.
  const isNew = (name: string | undefined) => name !== undefined && !(cause?.message.includes(name) ?? false);
  const where = [isNew(instance) ? instance : undefined, isNew(cause?.node) ? `on ${cause?.node}` : undefined].filter((part) => part !== undefined);
  const named = where.length === 0 ? '' : ` (${where.join(' ')})`;
  const output = cause?.output ?? [];
  return [
    `${paint('red', `Release ${release} of ${app} ${verb}`, process.stderr)}: ${printable(cause?.message ?? 'its cause is not known')}${named}`,
    ...(output.length > 0 ? [`Last output of ${instance ?? app}:`, ...output.map((line) => `  | ${printable(line)}`)] : []),
    `${whatRuns(result)}. Next: haven why ${app}`,
  ];
}

function whatRuns({ app, release, runs, services = [] }: DeployResult): string {
  const running = services.filter((service) => service.runs !== undefined);
  if (runs !== undefined && runs !== release) return `Release ${runs} of ${app} runs`;
  if (running.length === 0) return `No other release of ${app} took its place`;
  const texts = services.map(({ service, phase, runs: number }) => {
    if (phase === 'rolling') return `${service} is still on its way to release ${release}`;
    return number === undefined ? `nothing of ${service} runs` : `${service} runs release ${number}`;
  });
  return texts.join(', ');
}

/** `shop.web.1-4` as people call it: `web.1`. */
function shortName(instance: string): string {
  return /^[^.]+\.([^.]+\.\d+)-\d+$/.exec(instance)?.[1] ?? instance;
}

/** Where people reach these services through a gateway. */
export function urlsOf(
  services: readonly ServiceView[],
  { address, httpsAddress = address }: Pick<GatewayView, 'address' | 'httpsAddress'>,
): readonly string[] {
  const urls = services.flatMap((service) =>
    service.routes.map(({ host, path, tls }) => {
      const at = tls === undefined ? address : httpsAddress;
      return `${tls === undefined ? 'http' : 'https'}://${host === '*' ? at.host : host}:${at.port}${path}`;
    }),
  );
  const ports = services.flatMap(({ tcpPorts = [] }) => tcpPorts.map((port) => `tcp://${address.host}:${port}`));
  return [...new Set([...urls, ...ports])];
}
