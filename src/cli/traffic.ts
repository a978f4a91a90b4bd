import type { Address } from '@haven/sdk';

/** What one route does at the gateway now. What the gateway does not tell is absent. */
export interface RouteTraffic {
  readonly host: string;
  readonly path: string;
  readonly app?: string;
  readonly service?: string;
  readonly requestsPerSecond?: number;
  readonly p50Ms?: number;
  readonly p95Ms?: number;
  readonly p99Ms?: number;
  /** Since the gateway started. */
  readonly requests?: number;
  readonly errors?: number;
}

/** What a gateway says of itself. */
export interface GatewayTraffic {
  readonly routes: readonly RouteTraffic[];
  readonly appliedRevision?: number;
  /** Milliseconds since it last heard of the control plane; what it serves may be that old. */
  readonly staleMs?: number;
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

/** The known parts of a gateway's status. A field that is missing or of another kind is left out. */
export function parseTraffic(status: unknown): GatewayTraffic | undefined {
  if (!isRecord(status)) return undefined;
  const routes = Array.isArray(status['routes']) ? status['routes'].filter(isRecord).map(parseRoute) : [];
  return {
    routes,
    ...numberAs('appliedRevision', status['appliedRevision'] ?? status['revision']),
    ...numberAs('staleMs', status['staleMs']),
  };
}

function parseRoute(route: Readonly<Record<string, unknown>>): RouteTraffic {
  const latency = isRecord(route['latency']) ? route['latency'] : route;
  return {
    host: textOr(route['host'], '*'),
    path: textOr(route['path'], '/'),
    ...textAs('app', route['app']),
    ...textAs('service', route['service']),
    ...numberAs('requestsPerSecond', route['requestsPerSecond'] ?? route['rps']),
    ...numberAs('p50Ms', latency['p50Ms'] ?? latency['p50']),
    ...numberAs('p95Ms', latency['p95Ms'] ?? latency['p95']),
    ...numberAs('p99Ms', latency['p99Ms'] ?? latency['p99']),
    ...numberAs('requests', route['requests']),
    ...numberAs('errors', route['errors']),
  };
}

function numberAs<Key extends string>(key: Key, value: unknown): { readonly [K in Key]?: number } {
  return (typeof value === 'number' && Number.isFinite(value) ? { [key]: value } : {}) as { readonly [K in Key]?: number };
}

function textAs<Key extends string>(key: Key, value: unknown): { readonly [K in Key]?: string } {
  return (typeof value === 'string' ? { [key]: value } : {}) as { readonly [K in Key]?: string };
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
