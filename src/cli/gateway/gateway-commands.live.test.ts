import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '#gateway/live-fixture';
import { haven, runGateway } from './gateway-fixture.ts';

let directory = '';
const backends: { readonly port: number; close(): void }[] = [];

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'haven-gateway-file-'));
  for (const name of ['a', 'b', 'c']) {
    const server = createServer((request, response) => setTimeout(() => response.end(name), request.url === '/slow' ? 500 : 0));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    backends.push({
      port,
      close: () => {
        server.closeAllConnections();
        server.close();
      },
    });
  }
});

after(async () => {
  for (const backend of backends) backend.close();
  await rm(directory, { recursive: true, force: true });
});

async function writeYaml(name: string, ports: readonly (number | undefined)[], more = ''): Promise<void> {
  const list = ports.map((port) => `127.0.0.1:${port}`).join(', ');
  await writeFile(
    join(directory, name),
    `listen: 127.0.0.1:0\nroutes:\n  - service: web\nservices:\n  web:\n    backends: [${list}]\n    slowStart: 0s\n${more}`,
  );
}

test('check says that a file is valid, or every mistake with its line and exit 2', async () => {
  await writeYaml('good.yaml', [1, 2]);
  deepEqual(await haven({ directory }, 'gateway', 'check', 'good.yaml'), {
    code: 0,
    out: 'good.yaml is valid: 1 listener, 1 route, 1 service, 2 backends\n',
    err: '',
  });
  await writeYaml('bad.yaml', [1, 70_000], '    balence: x\nwokers: 1\n');
  const bad = await haven({ directory }, 'gateway', 'check', 'bad.yaml');
  equal(bad.code, 2);
  match(bad.err, /because it has 3 mistakes:\nbad\.yaml:6: services\.web\.backends\.1 must be an address/);
  match(bad.err, /bad\.yaml:8: services\.web\.balence is not a known key; did you mean "balance"\?/);
  match(bad.err, /bad\.yaml:9: wokers is not a known key; did you mean "workers"\?/);
  const none = await haven({ directory }, 'gateway', 'check', 'none.yaml');
  deepEqual([none.code, none.err], [2, 'haven: Cannot find none.yaml. Next: give the path of a config, or of the folder it is in\n']);
  equal((await haven({ directory }, 'gateway', 'run', 'bad.yaml')).code, 2);
});

test('a certificate that cannot be used is a mistake of the file like any other, with its line, in check and in reload', async () => {
  const [a] = backends.map(({ port }) => port);
  await writeYaml('gateway.yaml', [a]);
  await using gateway = await runGateway({ directory });
  await writeFile(
    join(directory, 'gateway.yaml'),
    `listen:\n  - address: 127.0.0.1:0\n    tls:\n      certificates:\n        - cert: none.pem\n          key: .\nroutes: [{ service: web }]\nservices: { web: { backends: ['127.0.0.1:${a}'] } }\n`,
  );
  const said =
    /^haven: Cannot use gateway\.yaml, because it has 2 mistakes:\ngateway\.yaml:5: listen\.0\.tls\.certificates\.0\.cert cannot be read \(".*none\.pem"\), because there is no such file\ngateway\.yaml:6: .*\.key cannot be read .*because it is a folder\nNext: mend them; nothing has been changed\n$/;
  for (const command of [
    ['check', 'gateway.yaml'],
    ['reload', '--admin', gateway.admin],
  ]) {
    const { code, err } = await haven({ directory }, 'gateway', ...command);
    equal(code, 2);
    match(err, said);
  }
});

test('a file of code is evaluated', async () => {
  await writeFile(
    join(directory, 'gateway.ts'),
    "const ports: number[] = [3000, 3001];\nexport default { listen: '127.0.0.1:0', routes: [{ service: 'web' }], services: { web: { backends: ports.map((port) => `127.0.0.1:${port}`) } } };\n",
  );
  const { code, out } = await haven({ directory }, 'gateway', 'check', 'gateway.ts', '--json');
  deepEqual([code, JSON.parse(out)], [0, { valid: true, listeners: 1, routes: 1, services: 1, backends: 2 }]);
});

test('run, reload, top and stop: a bad reload is exit 2 and changes nothing, SIGHUP reloads, SIGTERM ends what is in flight', async () => {
  const [a, b, c] = backends.map(({ port }) => port);
  await writeYaml('gateway.yaml', [a, b]);
  await using gateway = await runGateway({ directory });
  const url = `http://${gateway.address.host}:${gateway.address.port}`;
  const seen = async () => new Set(await Promise.all(Array.from({ length: 12 }, async () => await (await fetch(url)).text())));
  deepEqual([...(await seen())].sort(), ['a', 'b']);

  await writeYaml('gateway.yaml', [b, c]);
  const reloaded = await haven({ directory }, 'gateway', 'reload', '--admin', gateway.admin);
  deepEqual(reloaded, { code: 0, out: 'Reloaded: 1 service with 2 backends in force in every worker\n', err: '' });
  deepEqual(
    [...(await seen())].filter((name) => name === 'a'),
    [],
  );

  await writeYaml('gateway.yaml', [a], 'routs: []\n');
  const bad = await haven({ directory }, 'gateway', 'reload', '--admin', gateway.admin);
  equal(bad.code, 2);
  match(bad.err, /gateway\.yaml:8: routs is not a known key; did you mean "routes"\?/);
  ok(!(await seen()).has('a'));

  await writeYaml('gateway.yaml', [a]);
  gateway.child.kill('SIGHUP');
  for (let i = 0; i < 100 && !gateway.log().includes('config reloaded'); i++) await sleep(50);
  for (let i = 0; i < 100 && [...(await seen())].join('') !== 'a'; i++) await sleep(20);
  deepEqual([...(await seen())], ['a']);

  await sleep(1_200);
  const top = await haven({ directory }, 'gateway', 'top', '--admin', gateway.admin);
  match(top.out, /^gateway · revision \d+ · 1 worker · .* requests\/s\n\nservice +req\/s +p50 ms +p99 ms +in flight/);
  match(top.out, new RegExp(`^127\\.0\\.0\\.1:${a} +gateway/web +passing +100%`, 'm'));
  const { out } = await haven({ directory }, 'gateway', 'top', '--admin', gateway.admin, '--json', '--count', '2', '--interval', '100ms');
  equal(out.trim().split('\n').length, 2);

  const slow = fetch(`${url}/slow`);
  await sleep(100);
  equal(await gateway.end(), 0);
  equal(await (await slow).text(), 'a');
});

test('without a gateway there, top and reload say what to do; an admin address that is not loopback is refused', async () => {
  const top = await haven({ directory }, 'gateway', 'top', '--admin', '127.0.0.1:18');
  equal(top.code, 1);
  match(top.err, /Cannot reach a gateway at 127\.0\.0\.1:18, because .*ECONNREFUSED.* Next: start one with "haven gateway run"/);
  equal((await haven({ directory }, 'gateway', 'reload', '--admin', '10.0.0.1:80')).code, 2);
});

/** A file of a gateway that would order a certificate of an authority that is not there. */
function ordering(state: string, port: number): string {
  return [
    `state: ${state}`,
    'admin: 127.0.0.1:0',
    'acme: { agree: true, directory: "https://127.0.0.1:9/dir" }',
    'listen: [{ address: 127.0.0.1:0, tls: auto }]',
    'routes: [{ host: a.test, service: web }]',
    `services: { web: { backends: ['127.0.0.1:${port}'] } }\n`,
  ].join('\n');
}

test('check says that what would be ordered or made could not be kept, and makes no folder to find out', async () => {
  await writeFile(join(directory, 'nowhere.yaml'), ordering('/dev/null/kept', 1));
  const nowhere = await haven({ directory }, 'gateway', 'check', 'nowhere.yaml');
  equal(nowhere.code, 2);
  match(nowhere.err, /^haven: Cannot use \/dev\/null\/kept\/acme for "tls: auto", because \/dev\/null is no folder\. Next: name a folder /);
  await writeFile(
    join(directory, 'issuing.yaml'),
    ordering('/dev/null/kept', 1)
      .replace('tls: auto', 'tls: internal')
      .replace(/acme: .*\n/, ''),
  );
  const issuing = await haven({ directory }, 'gateway', 'check', 'issuing.yaml');
  deepEqual(
    [issuing.code, /Cannot use the authority of "tls: internal" in "\/dev\/null\/kept\/authority", because .*ENOTDIR.* Next: name a folder /.test(issuing.err)],
    [2, true],
    issuing.err,
  );
  await writeFile(join(directory, 'later.yaml'), ordering('./later/kept', 1));
  equal((await haven({ directory }, 'gateway', 'check', 'later.yaml')).code, 0);
  deepEqual(
    (await readdir(directory)).filter((name) => name === 'later'),
    [],
  );
});

test('a reload to certificates that could not be kept is refused', async () => {
  const [a = 0] = backends.map(({ port }) => port);
  await writeYaml('gateway.yaml', [a], 'state: /dev/null/kept\n');
  await using gateway = await runGateway({ directory });
  await writeFile(join(directory, 'gateway.yaml'), ordering('/dev/null/kept', a));
  const { code, err } = await haven({ directory }, 'gateway', 'reload', '--admin', gateway.admin);
  deepEqual([code, /Cannot use \/dev\/null\/kept\/acme for "tls: auto"/.test(err)], [2, true], err);
});

test('a gateway that cannot have its ports, or its folders, says why and ends with an exit code that tells it', async () => {
  const [a = 0] = backends.map(({ port }) => port);
  const file = (listen: string, admin: string, more = '') =>
    `listen: ${listen}\nadmin: ${admin}\n${more}routes: [{ service: web }]\nservices: { web: { backends: ['127.0.0.1:${a}'] } }\n`;
  const cases: readonly (readonly [string, number, RegExp])[] = [
    [file(`127.0.0.1:${a}`, '127.0.0.1:0'), 6, /^haven: Cannot listen on 127\.0\.0\.1:\d+, because another program listens there\. Next: /],
    [file('127.0.0.1:0', `127.0.0.1:${a}`), 6, /^haven: Cannot listen on 127\.0\.0\.1:\d+, because another program listens there\. Next: /],
    [file(`127.0.0.1:${a}`, `127.0.0.1:${a}`), 2, /admin is 127\.0\.0\.1:\d+ once more/],
    [file("'0.0.0.0:18080'", '127.0.0.1:18080'), 2, /admin is 127\.0\.0\.1:18080, which cannot be had beside 0\.0\.0\.0:18080/],
    [
      file("'[::]:7781'", '127.0.0.1:0').replace(/admin.*\n/, ''),
      2,
      /^haven: Cannot have the admin address at 127\.0\.0\.1:7781, because clients are to come to \[::\]:7781\. Next: /,
    ],
    [file('192.0.2.77:8080', '127.0.0.1:0'), 2, /^haven: Cannot listen on 192\.0\.2\.77:8080, because this machine does not have that address\. Next: /],
    [file('127.0.0.1:0', '127.0.0.1:0', 'accessLog: /dev/null/logs\n'), 2, /^haven: Cannot use \/dev\/null\/logs for "accessLog", because .*\. Next: /],
    [ordering('/dev/null/kept', a), 2, /^haven: Cannot use \/dev\/null\/kept\/acme for "tls: auto", because \/dev\/null is no folder\. Next: name a folder /],
  ];
  for (const [text, code, message] of cases) {
    await writeFile(join(directory, 'stuck.yaml'), text);
    const ended = await haven({ directory }, 'gateway', 'run', 'stuck.yaml');
    equal(ended.code, code, `${text}${ended.err}`);
    match(ended.err, message);
  }
});

test('the log says once when a backend goes out, why, and when it is back', async () => {
  const server = createServer((_request, response) => response.end('fine'));
  const listen = async (port: number) => await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const [a] = backends.map((backend) => backend.port);
  await writeYaml('gateway.yaml', [a, port], '    check: { http: /healthz, interval: 200ms, timeout: 5s, rise: 1, fall: 1 }\n');
  await using gateway = await runGateway({ directory });
  const said = () =>
    gateway
      .log()
      .split('\n')
      .filter((line) => line.includes('"backend"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .map(({ service, backend, level, message, reason }) => [service, backend, level, message, reason].join(' '));
  await until(async () => (await gateway.status()).services['gateway/web']?.backends.every(({ health }) => health === 'passing') ?? false, 'both pass');
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  await until(() => said().length === 1, 'it is said');
  await sleep(1_000);
  await listen(port);
  await until(() => said().length === 2, 'that it is back is said');
  const [out = '', back = ''] = said();
  match(out, new RegExp(`^gateway/web 127\\.0\\.0\\.1:${port} warn backend is out .*ECONNREFUSED`));
  match(back, new RegExp(`^gateway/web 127\\.0\\.0\\.1:${port} info backend is well again $`));
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
