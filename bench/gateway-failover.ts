import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { type LoadResult, runLoad } from '#cli/load/open-loop';
import { startNode } from './gateway-peers.ts';

/**
 * Three backends that answer in 20 ms, 1,000 requests/s (90 % GET) for SECONDS (20); after a quarter one is stopped for 10 s or killed (FAULT = stop | kill).
 * Measures from when each request was due.
 */
const fault = process.env['FAULT'] ?? 'stop';
const seconds = Number(process.env['SECONDS'] ?? 20);
const ratePerSecond = Number(process.env['RATE'] ?? 1_000);
const backendEntry = join(import.meta.dirname, '../src/gateway/fixture-backend.ts');

async function startBackend(): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const child = fork(backendEntry, [], { execArgv: [], env: { ...process.env, DELAY_MS: '20' }, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  const port = await new Promise<number>((resolve) => child.stdout?.once('data', (data: Buffer) => resolve(Number(data.toString()))));
  return { child, port };
}

const backends = await Promise.all([1, 2, 3].map(async () => await startBackend()));
const gateway = await startNode('haven', 18_010, join(import.meta.dirname, 'gateway-worker.ts'), { ORIGINS: backends.map(({ port }) => port).join(',') });
const failures: LoadResult[] = [];
const victim = backends[1]?.child;
const faultAt = setTimeout(
  () => {
    if (fault === 'kill') victim?.kill('SIGKILL');
    else {
      victim?.kill('SIGSTOP');
      setTimeout(() => victim?.kill('SIGCONT'), 10_000);
    }
  },
  (seconds * 1_000) / 4,
);
const report = await runLoad({
  address: { host: '127.0.0.1', port: 18_010 },
  ratePerSecond,
  connections: 256,
  durationMs: seconds * 1_000,
  nextRequest: (index) => (index % 10 === 9 ? { method: 'POST', path: '/load', body: 'body' } : { method: 'GET', path: '/load' }),
  onResult: (result) => {
    if (result.failure !== undefined) failures.push(result);
  },
});
clearTimeout(faultAt);
process.stdout.write(
  `${JSON.stringify({ fault, ratePerSecond, due: report.due, byStatus: report.byStatus, byMethod: report.byMethod, failures: failures.slice(0, 3) }, null, 1)}\n`,
);
await gateway.stop();
for (const { child } of backends) child.kill('SIGKILL');
