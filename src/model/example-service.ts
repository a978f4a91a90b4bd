import type { Name } from '#base/name';
import type { ServiceSpec } from './spec.ts';

/** A service that listens, with short times, for tests and simulations: `changes` replace what it has. Not part of the product. */
export function exampleService(name: Name, changes: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    name,
    run: { kind: 'process', command: ['node', `${name}.js`] },
    listens: true,
    count: 2,
    mode: 'balanced',
    resources: { cpu: 0.1, memoryBytes: 64 * 2 ** 20 },
    environment: {},
    checks: { startup: { intervalMs: 100, timeoutMs: 1_000, startTimeoutMs: 60_000 } },
    update: {
      maxParallel: 1,
      maxSurge: 1,
      maxUnavailable: 0,
      minHealthyMs: 3_000,
      healthyDeadlineMs: 60_000,
      progressDeadlineMs: 120_000,
      autoRevert: true,
      canary: 0,
      autoPromote: true,
    },
    stop: { unrouteTimeoutMs: 5_000, drainTimeoutMs: 10_000, killTimeoutMs: 5_000 },
    restart: { baseDelayMs: 1_000, maxDelayMs: 60_000, attempts: 5, windowMs: 600_000, resetAfterMs: 600_000 },
    placement: { policy: 'spread', constraints: {} },
    routes: [],
    fetchTimeoutMs: 600_000,
    ...changes,
  };
}
