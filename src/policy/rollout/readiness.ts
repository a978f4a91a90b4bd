import type { Instance, InstanceStatus } from '#model/instance';
import type { GatewayStatus, Route } from '#model/route';

/** The service's route and every live gateway, all of one revision of the store. */
export interface RoutingView {
  readonly route?: { readonly value: Route; readonly revision: number };
  readonly gateways: readonly GatewayStatus[];
}

/** What the gateways say of one instance. */
export interface Readiness {
  /** Every live gateway reports this attempt passing (R2, H2: unknown is not passing). */
  readonly ready: boolean;
  /** Some gateway is alive, and all that are report this attempt failing; one that does not know yet is no witness. */
  readonly failingEverywhere: boolean;
  /** Every live gateway has applied a route that sends it nothing new (S1). */
  readonly unrouted: boolean;
  /** Requests still running at all gateways. */
  readonly inFlight: number;
  /** Why it is not ready, as the gateway puts it. */
  readonly reason?: string;
  readonly continuity: Continuity;
}

/** Two of these with an equal attempt and equal transitions at the gateways they share: nothing happened in between (H5). */
export interface Continuity {
  readonly attempt: number;
  readonly transitionsByGateway: Readonly<Record<string, number>>;
}

/**
 * An instance's readiness. Counted at the gateways; by its agent's word alone when it does not listen or no gateway is alive, and then only while that
 * agent can be heard.
 */
export function readinessOf(
  { instance, status, isAgentHeard }: { readonly instance: Instance; readonly status: InstanceStatus | undefined; readonly isAgentHeard: boolean },
  { route, gateways }: RoutingView,
): Readiness {
  const listed = route?.value.backends.find((backend) => backend.id === instance.id);
  const unrouted = listed?.state !== 'active' && gateways.every((gateway) => gateway.appliedRevision >= (route?.revision ?? 0));
  const attempt = status?.attempt ?? 0;
  const isRunning = status?.phase === 'running';
  if (!instance.spec.listens || gateways.length === 0) {
    return { ready: isRunning && isAgentHeard, failingEverywhere: false, unrouted, inFlight: 0, continuity: { attempt, transitionsByGateway: {} } };
  }
  const reports = gateways.map((gateway) => ({ name: gateway.name, report: gateway.backends[instance.id] }));
  const passing = reports.filter(({ report }) => report?.attempt === attempt && report.health === 'passing');
  const transitionsByGateway = Object.fromEntries(reports.map(({ name, report }) => [name, report?.transitions ?? -1]));
  const reason = reports.map(({ report }) => report?.reason ?? '').find((each) => each !== '');
  return {
    ready: isRunning && passing.length === gateways.length,
    failingEverywhere: reports.every(({ report }) => report?.attempt === attempt && report.health === 'failing'),
    unrouted,
    inFlight: reports.reduce((sum, { report }) => sum + (report?.inFlight ?? 0), 0),
    ...(reason === undefined ? {} : { reason }),
    continuity: { attempt, transitionsByGateway },
  };
}

/** True when the two say that health did not change in between. A gateway that came or went does not count. */
export function isContinuous(before: Continuity, after: Continuity): boolean {
  if (before.attempt !== after.attempt) return false;
  return Object.entries(after.transitionsByGateway).every(([gateway, transitions]) => (before.transitionsByGateway[gateway] ?? transitions) === transitions);
}
