import { Agent, request } from 'node:http';
import type { Address } from '#world/world';
import { every, monotonicNow } from './dataplane/clock.ts';

/** One request that did not get a good answer. */
export interface LoadFailure {
  readonly method: string;
  readonly status: number | undefined;
  readonly cause: string;
  readonly proxyStatus: string | undefined;
}

export interface SteadyReport {
  readonly sent: number;
  readonly failures: readonly LoadFailure[];
  readonly slowestGetMs: number;
  readonly bodies: readonly string[];
}

const tickMs = 5;
/** A test that failed before it could stop its load must still end. */
const longestMs = 20_000;

/** Load at a fixed rate for live tests, measured from when each request was due. The product's own generator is in the CLI, which is above this module. */
export function steadyLoad(options: { readonly address: Address; readonly ratePerSecond: number; readonly postShare: number }): {
  stop(): Promise<SteadyReport>;
} {
  const { address, ratePerSecond, postShare } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const failures: LoadFailure[] = [];
  const getMs: number[] = [];
  const bodies: string[] = [];
  const pending = new Set<Promise<void>>();
  const startedAt = monotonicNow();
  let sent = 0;
  const send = (dueAt: number) => {
    const method = Math.floor(sent * postShare) < Math.floor((sent + 1) * postShare) ? 'POST' : 'GET';
    sent++;
    const done = Promise.withResolvers<void>();
    pending.add(done.promise);
    const finish = (failure?: LoadFailure) => {
      if (failure !== undefined) failures.push(failure);
      else if (method === 'GET') getMs.push(monotonicNow() - dueAt);
      done.resolve();
      pending.delete(done.promise);
    };
    const outgoing = request({
      host: address.host,
      port: address.port,
      method,
      path: '/load',
      agent,
      headers: method === 'POST' ? { 'content-length': '4' } : {},
    });
    outgoing.on('error', (error) => finish({ method, status: undefined, cause: error.message, proxyStatus: undefined }));
    outgoing.on('response', (response) => {
      let text = '';
      response.on('data', (part: Buffer) => {
        text += part.toString();
      });
      response.on('error', (error) => finish({ method, status: response.statusCode, cause: error.message, proxyStatus: undefined }));
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        bodies.push(text);
        const proxyStatus = response.headers['proxy-status'];
        finish(status === 200 ? undefined : { method, status, cause: text, proxyStatus: Array.isArray(proxyStatus) ? proxyStatus[0] : proxyStatus });
      });
    });
    outgoing.end(method === 'POST' ? 'body' : undefined);
  };
  const timer = every(tickMs, () => {
    if (monotonicNow() - startedAt > longestMs) timer[Symbol.dispose]();
    const due = Math.floor(((monotonicNow() - startedAt) * ratePerSecond) / 1_000);
    while (sent < due) send(startedAt + (sent * 1_000) / ratePerSecond);
  });
  return {
    async stop() {
      timer[Symbol.dispose]();
      await Promise.all(pending);
      agent.destroy();
      return { sent, failures, bodies, slowestGetMs: Math.max(0, ...getMs) };
    },
  };
}
