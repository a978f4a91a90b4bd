import type { Address } from '@haven/sdk';

/** What one service does at a gateway, over the last seconds. */
export interface ServiceTraffic {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Answers of class 5xx, and requests that got none. */
  readonly errors: number;
  /** Who gets its requests: `primary`, `unchecked`, `backup`, `panic` (all, healthy or not) or `none`. */
  readonly tier: string;
}

/** What a gateway says of itself. What it does not tell is absent. */
export interface GatewayTraffic {
  /** By `APP/SERVICE`. */
  readonly services: Readonly<Record<string, ServiceTraffic>>;
  readonly appliedRevision?: number;
  /** False: it serves what it last heard. */
  readonly controlConnected?: boolean;
  readonly routesAgeSeconds?: number;
}

const ASK_WITHIN_MS = 500;

/** The gateway's own figures, from its admin address; `undefined` if it does not answer at once or not in a form known here. */
export async function readTraffic(admin: Address): Promise<GatewayTraffic | undefined> {
  try {
    const response = await fetch(`http://${admin.host}:${admin.port}/status`, { signal: AbortSignal.timeout(ASK_WITHIN_MS) });
    return response.ok ? parseTraffic(await response.json()) : undefined;
  } catch {
    // A view of the traffic is an extra: the status without it is still true.
    return undefined;
  }
}

/** The known parts of a gateway's status. A field that is missing or of another kind is left out; a service without its figures too. */
export function parseTraffic(status: unknown): GatewayTraffic | undefined {
  if (!isRecord(status)) return undefined;
  const services = isRecord(status['services']) ? status['services'] : {};
  const { revision, controlConnected, routesAgeSeconds } = status;
  return {
    services: Object.fromEntries(
      Object.entries(services).flatMap(([key, value]) => {
        const service = parseService(value);
        return service === undefined ? [] : [[key, service]];
      }),
    ),
    ...(isNumber(revision) ? { appliedRevision: revision } : {}),
    ...(typeof controlConnected === 'boolean' ? { controlConnected } : {}),
    ...(isNumber(routesAgeSeconds) ? { routesAgeSeconds } : {}),
  };
}

function parseService(service: unknown): ServiceTraffic | undefined {
  if (!isRecord(service)) return undefined;
  const { requestsPerSecond, p50Ms, p95Ms, p99Ms, answers, tier } = service;
  if (!isNumber(requestsPerSecond) || !isNumber(p50Ms) || !isNumber(p95Ms) || !isNumber(p99Ms)) return undefined;
  const failed = isRecord(answers) ? ['5xx', '0xx'].map((name) => answers[name]).filter(isNumber) : [];
  return { requestsPerSecond, p50Ms, p95Ms, p99Ms, errors: failed.reduce((sum, count) => sum + count, 0), tier: typeof tier === 'string' ? tier : '' };
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
