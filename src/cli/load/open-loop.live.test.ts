import { deepEqual, equal, ok } from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { runLoad, startLoad } from './open-loop.ts';

async function serve(delayOf: (path: string) => number): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer((request, response) => {
    request.resume();
    const status = request.url === '/bad' ? 503 : 200;
    setTimeout(
      () => response.writeHead(status, { 'content-type': 'text/plain', 'proxy-status': 'haven; error=destination_unavailable' }).end('ok'),
      delayOf(request.url ?? ''),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('the rate is kept, and every request ends in the report', async () => {
  await using server = await serve(() => 5);
  const report = await runLoad({
    address: { host: '127.0.0.1', port: server.port },
    ratePerSecond: 200,
    durationMs: 1_000,
    connections: 20,
    nextRequest: (index) => (index % 4 === 0 ? { method: 'POST', path: '/', body: 'x' } : { method: 'GET', path: '/' }),
  });
  deepEqual([report.due, report.answered, report.failed, report.waiting], [200, 200, 0, 0]);
  deepEqual(report.byStatus, { 200: 200 });
  equal(report.byMethod['POST']?.due, 50);
  ok(report.latency.p50Ms >= 4 && report.latency.maxMs < 500, JSON.stringify(report.latency));
});

test('latency counts from when a request was due: one slow connection delays all behind it', async () => {
  await using server = await serve((path) => (path === '/slow' ? 400 : 0));
  const report = await runLoad({
    address: { host: '127.0.0.1', port: server.port },
    ratePerSecond: 50,
    durationMs: 400,
    connections: 1,
    nextRequest: (index) => ({ method: 'GET', path: index === 0 ? '/slow' : '/' }),
  });
  equal(report.answered, 20);
  ok(report.latency.p50Ms > 100, `p50 is ${report.latency.p50Ms}`);
});

test('5xx, refused connections and timeouts are failures with a reason', async () => {
  await using server = await serve((path) => (path === '/hang' ? 5_000 : 0));
  const address = { host: '127.0.0.1', port: server.port };
  const said: (string | undefined)[] = [];
  const report = await runLoad({
    address,
    ratePerSecond: 20,
    durationMs: 200,
    connections: 4,
    timeoutMs: 300,
    nextRequest: (index) => ({ method: 'GET', path: index % 2 === 0 ? '/bad' : '/hang' }),
    onResult: ({ proxyStatus }) => said.push(proxyStatus),
  });
  deepEqual(report.failuresByReason, { 'status 503': 2, timeout: 2 });
  ok(said.includes('haven; error=destination_unavailable'));
  const refused = await runLoad({
    address: { host: '127.0.0.1', port: 9 },
    ratePerSecond: 20,
    durationMs: 100,
    connections: 2,
    nextRequest: () => ({ method: 'GET', path: '/' }),
  });
  deepEqual(refused.failuresByReason, { refused: 2 });
});

test('counters can be read during a run, and a signal ends it', async () => {
  await using server = await serve(() => 0);
  const stopping = new AbortController();
  const run = startLoad({
    address: { host: '127.0.0.1', port: server.port },
    ratePerSecond: 100,
    connections: 4,
    signal: stopping.signal,
    nextRequest: () => ({ method: 'GET', path: '/' }),
  });
  for (let round = 0; run.counters.answered <= 5 && round < 3_000; round++) await new Promise((resolve) => setTimeout(resolve, 10));
  ok(run.counters.answered > 5);
  stopping.abort();
  const report = await run.done;
  equal(report.answered, report.due);
});
