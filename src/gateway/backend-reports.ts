import type { InstanceId } from '#model/instance';
import type { BackendReport, Route } from '#model/route';
import type { Log } from '#world/world';
import { backendKey } from './dataplane/backend.ts';
import type { HealthChecks } from './health-checks.ts';
import type { BackendObservation } from './worker-protocol.ts';

/** What a gateway reports of its backends: what its checks and its workers have seen of each, as one. The log says once when one goes out, and when it is back. */
export class BackendReports {
  readonly #log: Log;
  readonly #checks: Pick<HealthChecks, 'get'>;
  readonly #reportsByKey = new Map<string, BackendReport>();

  constructor(log: Log, checks: Pick<HealthChecks, 'get'>) {
    this.#log = log;
    this.#checks = checks;
  }

  get(key: string): BackendReport | undefined {
    return this.#reportsByKey.get(key);
  }

  /** By instance, as a status says them. */
  byInstance(routes: readonly Route[]): Readonly<Record<InstanceId, BackendReport>> {
    const reports: Record<InstanceId, BackendReport> = {};
    for (const backend of routes.flatMap(({ backends }) => backends)) {
      const report = this.#reportsByKey.get(backendKey(backend));
      if (report !== undefined) reports[backend.id] = report;
    }
    return reports;
  }

  /** Takes in what is known now of exactly the backends of these routes. */
  update(routes: readonly Route[], observations: readonly BackendObservation[]): void {
    const known = new Set<string>();
    for (const { app, service, backend } of routes.flatMap(({ app, service, backends }) => backends.map((backend) => ({ app, service, backend })))) {
      const key = backendKey(backend);
      known.add(key);
      const seen = observations.filter((observation) => observation.key === key);
      const checked = this.#checks.get(key);
      const ejected = seen.find((observation) => observation.ejected);
      // What is only assumed serves requests, but is no word to control.
      const found = checked === undefined || checked.isAssumed ? 'unknown' : checked.health;
      const health = ejected !== undefined ? 'failing' : found;
      const before = this.#reportsByKey.get(key);
      const isSteady = before?.health === health;
      const reason = ejected?.reason ?? checked?.reason ?? '';
      const who = { service: `${app}/${service}`, backend: backend.name };
      if (!isSteady && health === 'failing') this.#log.write('warn', 'backend is out', { ...who, reason });
      else if (!isSteady && before?.health === 'failing') this.#log.write('info', 'backend is well again', who);
      this.#reportsByKey.set(key, {
        attempt: backend.attempt,
        health,
        transitions: (before?.transitions ?? 0) + (before === undefined || isSteady ? 0 : 1),
        inFlight: backend.state === 'draining' ? seen.reduce((sum, { inFlight }) => sum + inFlight, 0) : 0,
        reason,
      });
    }
    for (const key of this.#reportsByKey.keys()) if (!known.has(key)) this.#reportsByKey.delete(key);
  }
}
