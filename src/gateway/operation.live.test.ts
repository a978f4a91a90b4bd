import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';
import { steadyLoad } from './fixture-load.ts';
import { backendAt, pause, RawClient, routeTo, startBackend, startGateway, until } from './live-fixture.ts';
import type { LiveStatus } from './live-status.ts';

const world = nodeWorld({ logLevel: 'error', logName: 'test' });

test('metrics and live status say what happened', async () => {
  await using backend = await startBackend();
  await using gateway = await startGateway(world, { routes: [routeTo([backendAt(1, backend.port)])] });
  await until(() => gateway.status()?.backends[backendAt(1, 0).id]?.health === 'passing', 'it passes');
  const load = steadyLoad({ address: gateway.address, ratePerSecond: 100, postShare: 0.2 });
  await pause(2_300);
  equal((await load.stop()).failures.length, 0);
  const bad = new RawClient(gateway.address);
  bad.send('GET / HTTP/1.1\r\n\r\n');
  await bad.ended();
  bad.close();
  const admin = `http://127.0.0.1:${gateway.admin.port}`;
  const page = await (await fetch(`${admin}/metrics`)).text();
  match(page, /^haven_gateway_requests_total\{service="shop\/web",code_class="2xx",method="GET"\} \d+$/m);
  match(page, /^haven_gateway_requests_total\{service="shop\/web",code_class="2xx",method="POST"\} \d+$/m);
  match(page, /^haven_gateway_parse_errors_total\{reason="no-host"\} 1$/m);
  match(page, /^haven_gateway_backend_up\{service="shop\/web",backend="web.1",instance="shop.web.1-1"\} 1$/m);
  match(page, /^haven_gateway_pool_connections_total\{[^}]*kind="reused"\} \d+$/m);
  match(page, /^haven_gateway_request_duration_seconds_count\{service="shop\/web"\} 2\d\d$/m);
  const last = new RegExp(`^haven_gateway_config_revision ${gateway.status()?.appliedRevision}$`, 'm');
  match(page, last);
  // Each line is a comment or a sample, as Prometheus reads it.
  for (const line of page.trimEnd().split('\n')) match(line, /^(?:# (?:HELP|TYPE) .+|[a-z_]+(?:\{(?:[a-z_]+="[^"]*",?)+\})? [0-9.e+-]+)$/);
  const status = (await (await fetch(`${admin}/status`)).json()) as LiveStatus;
  const service = status.services['shop/web'];
  ok(service !== undefined && service.requestsPerSecond > 30 && service.p99Ms >= service.p50Ms && service.p50Ms > 0, JSON.stringify(service));
  deepEqual(
    service.backends.map(({ name, health, state }) => ({ name, health, state })),
    [{ name: 'web.1', health: 'passing', state: 'active' }],
  );
  equal((await fetch(`${admin}/ready`)).status, 200);
  equal((await fetch(`${admin}/else`)).status, 404);
});

test('the access log is JSON lines, whatever a client sends', async () => {
  await using backend = await startBackend();
  await using gateway = await startGateway(world, { routes: [routeTo([backendAt(1, backend.port)])], gateway: { accessLog: true } });
  const client = new RawClient(gateway.address);
  client.send('GET /a"b?c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await client.ended();
  client.close();
  const read = async () => await readFile(join(gateway.directory, 'access-1.log'), 'utf8').catch(() => '');
  await until(async () => (await read()).includes('\n'), 'a line is written');
  const { at, id, queueMs, connectMs, firstByteMs, totalMs, ...line } = JSON.parse((await read()).trim()) as Record<string, unknown>;
  deepEqual(line, {
    method: 'GET',
    host: 'x',
    path: '/a"b?c',
    client: '127.0.0.1',
    protocol: 'HTTP/1.1',
    tls: '',
    status: 200,
    end: '--',
    bytesIn: 0,
    bytesOut: line['bytesOut'],
    service: 'shop/web',
    backend: 'web.1',
    tries: 1,
  });
  ok(Number(line['bytesOut']) > 100 && Number(firstByteMs) > 0 && Number(totalMs) >= Number(firstByteMs) && Number(connectMs) > 0 && queueMs === 0);
  // The backend got the same id.
  ok(client.text.includes(String(id)) && String(id).length === 22, String(id));
  ok(!Number.isNaN(Date.parse(String(at))));
});

test('two workers share the port and the acknowledgement waits for both', async () => {
  await using backend = await startBackend();
  await using gateway = await startGateway(world, { routes: [routeTo([backendAt(1, backend.port)])], gateway: { workers: 2 } });
  const load = steadyLoad({ address: gateway.address, ratePerSecond: 200, postShare: 0 });
  await gateway.setRoute(routeTo([backendAt(1, backend.port)], { internalPort: 7_996 }));
  await pause(500);
  deepEqual((await load.stop()).failures, []);
  const page = await (await fetch(`http://127.0.0.1:${gateway.admin.port}/status`)).json();
  equal((page as LiveStatus).workers.length, 2);
});

test('a stopping gateway ends what is in flight and gives its lease back', async () => {
  await using backend = await startBackend();
  const gateway = await startGateway(world, { routes: [routeTo([backendAt(1, backend.port)])], gateway: { drainMs: 5_000 } });
  await until(() => gateway.status() !== undefined, 'it reports');
  const client = new RawClient(gateway.address);
  client.send('GET /slow?wait=500 HTTP/1.1\r\nHost: x\r\n\r\n');
  const idle = new RawClient(gateway.address);
  await pause(100);
  await gateway[Symbol.asyncDispose]();
  match(client.text, /HTTP\/1\.1 200 OK[\s\S]*"url":"\/slow\?wait=500"/);
  equal(gateway.status(), undefined);
  client.close();
  idle.close();
});

test('a failing check takes a backend out and says why; a redirect is a failure with a hint (H4)', async () => {
  await using good = await startBackend({ name: 'good' });
  const redirecting = createServer((_request, response) => response.writeHead(302, { location: '/login' }).end());
  await new Promise<void>((resolve) => redirecting.listen(0, '127.0.0.1', resolve));
  const bound = redirecting.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  await using gateway = await startGateway(world, { routes: [routeTo([backendAt(1, good.port), backendAt(2, port), backendAt(3, good.port)])] });
  const id = backendAt(2, 0).id;
  await until(() => gateway.status()?.backends[id]?.health === 'failing', 'it fails');
  match(gateway.status()?.backends[id]?.reason ?? '', /redirected \(302\) to \/login; only 2xx passes/);
  await until(() => gateway.status()?.backends[backendAt(3, 0).id]?.health === 'passing', 'the others pass');
  const load = steadyLoad({ address: gateway.address, ratePerSecond: 100, postShare: 0 });
  await pause(500);
  const report = await load.stop();
  deepEqual(report.failures, []);
  redirecting.close();
});

test('the standby gets requests only while no primary is usable', async () => {
  await using primary = await startBackend({ name: 'primary' });
  await using standby = await startBackend({ name: 'standby' });
  const backends = [backendAt(1, primary.port), backendAt(2, standby.port, { tier: 'backup' })];
  await using gateway = await startGateway(world, {
    routes: [routeTo(backends, { check: { probe: { kind: 'http', path: '/ready' }, intervalMs: 200, timeoutMs: 200, rise: 1, fall: 1 } })],
  });
  await until(() => Object.values(gateway.status()?.backends ?? {}).filter(({ health }) => health === 'passing').length === 2, 'both pass');
  const load = steadyLoad({ address: gateway.address, ratePerSecond: 100, postShare: 0 });
  await pause(400);
  primary.child.kill('SIGKILL');
  await pause(600);
  const { failures, bodies } = await load.stop();
  deepEqual(failures, []);
  const names = bodies.map((body) => (JSON.parse(body) as { name: string }).name);
  const firstStandby = names.indexOf('standby');
  ok(firstStandby > 0 && !names.slice(0, firstStandby).includes('standby') && names.at(-1) === 'standby', names.join(' '));
});
