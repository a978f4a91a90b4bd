import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { resolveApp } from './resolve-spec.ts';

const web = { run: { process: 'node server.js' }, port: 3000, health: '/healthz' };

function specOf(config: unknown, environment?: string) {
  const resolved = resolveApp(config, environment === undefined ? {} : { environment });
  ok(resolved.ok, JSON.stringify(resolved));
  return resolved;
}

function issuesOf(config: unknown, environment?: string) {
  const resolved = resolveApp(config, environment === undefined ? {} : { environment });
  ok(!resolved.ok, 'the config is refused');
  return resolved.issues.map(({ path, message, nearest }) => `${path.join('.')}: ${message}${nearest ? ` [${nearest}]` : ''}`);
}

test('the smallest config becomes a spec with every default of the rules; one line of health is a startup and a ready check, and no alive check (H1, H3)', () => {
  const { spec, warnings } = specOf({ name: 'shop', web });
  deepEqual(warnings, []);
  deepEqual(spec, {
    name: 'shop',
    environment: {},
    secrets: [],
    revertScope: 'service',
    services: {
      web: {
        name: 'web',
        run: { kind: 'process', command: ['node', 'server.js'] },
        listens: true,
        count: 1,
        mode: 'balanced',
        resources: { cpu: 0.1, memoryBytes: 256 * 2 ** 20 },
        environment: {},
        checks: {
          startup: { probe: { kind: 'http', path: '/healthz' }, intervalMs: 250, timeoutMs: 2_000, startTimeoutMs: 60_000 },
          ready: { probe: { kind: 'http', path: '/healthz' }, intervalMs: 5_000, timeoutMs: 2_000, rise: 2, fall: 3 },
        },
        update: {
          maxParallel: 1,
          maxSurge: 1,
          maxUnavailable: 0,
          minHealthyMs: 10_000,
          healthyDeadlineMs: 300_000,
          progressDeadlineMs: 600_000,
          autoRevert: true,
          canary: 0,
          autoPromote: true,
        },
        stop: { unrouteTimeoutMs: 5_000, drainTimeoutMs: 30_000, killTimeoutMs: 10_000 },
        restart: { baseDelayMs: 1_000, maxDelayMs: 60_000, attempts: 5, windowMs: 600_000, resetAfterMs: 600_000 },
        placement: { policy: 'spread', constraints: {} },
        routes: [],
        fetchTimeoutMs: 600_000,
      },
    },
  });
});

const REFUSED: readonly (readonly [config: unknown, ...issues: RegExp[]])[] = [
  ['shop', /^: must be an object/],
  [null, /^: must be an object/],
  [[], /^: must be an object/],
  [{ web }, /^name: is missing/],
  [{ name: 'Shop', web }, /^name: must be 1 to 40 of a-z/],
  [{ name: 'shop' }, /^: has no service/],
  [{ name: 'shop', Web: web }, /^Web: must be a name/],
  [{ name: 'shop', web: { ...web, prot: 1 } }, /^web\.prot: is not a known key; did you mean "port"\? known here: run, .* \[port\]$/],
  [{ name: 'shop', web: { ...web, update: { maxSurg: 1 } } }, /^web\.update\.maxSurg: .*\[maxSurge\]$/],
  [{ name: 'shop', web: { ...web, health: { redy: '/x' } } }, /^web\.health\.redy: .*\[ready\]$/],
  [{ name: 'shop', web: { ...web, routes: [{ hots: 'a' }] } }, /^web\.routes\.0\.hots: .*\[host\]$/],
  [{ name: 'shop', web: { ...web, xyzzy: 1 } }, /^web\.xyzzy: is not a known key; known here: run/],
  [{ name: 'shop', web, enviroments: { staging: {} } }, /^enviroments: .*\[environments\]$/],
  [{ name: 'shop', web, secret: ['A'] }, /^secret: .*\[secrets\]$/],
  [{ name: 'shop', web: { ...web, mode: 'active-stanby' } }, /^web\.mode: must be "balanced" or "active-standby", not "active-stanby" \[active-standby\]$/],
  [{ name: 'shop', web: { ...web, balance: 'fast ones' } }, /^web\.balance: must be a balance policy such as "round-robin"/],
  [{ name: 'shop', web: { ...web, traffic: { retrys: 1 } } }, /^web\.traffic\.retrys: is not a known key; did you mean "retries"\?/],
  [{ name: 'shop', web: { ...web, traffic: { stickyDrain: '1s' } } }, /^web\.traffic\.stickyDrain: is not a known key/],
  [{ name: 'shop', web: { ...web, traffic: { panic: 50 } } }, /^web\.traffic\.panic: must be a share from 0 to 1/],
  [{ name: 'shop', web: { ...web, count: '3' } }, /^web\.count: must be a whole number from 0 to 1000/],
  [{ name: 'shop', web: { ...web, count: 1.5 } }, /^web\.count: must be a whole number/],
  [{ name: 'shop', web: { ...web, count: -1 } }, /^web\.count: must be a whole number/],
  [{ name: 'shop', web: { ...web, count: 1_001 } }, /^web\.count: must be a whole number/],
  [{ name: 'shop', web: { ...web, port: 0 } }, /^web\.port: must be a whole number from 1 to 65535/],
  [{ name: 'shop', web: { ...web, stop: { drain: 30 } } }, /^web\.stop\.drain: must be a duration with a unit/],
  [{ name: 'shop', web: { ...web, stop: { drain: '30' } } }, /^web\.stop\.drain: must be a duration with a unit/],
  [{ name: 'shop', web: { ...web, stop: { drain: '90d' } } }, /^web\.stop\.drain: must be at most "30d"/],
  [{ name: 'shop', web: { ...web, resources: { memory: 512 } } }, /^web\.resources\.memory: must be a size with a unit/],
  [{ name: 'shop', web: { ...web, resources: { memory: '512' } } }, /^web\.resources\.memory: must be a size with a unit/],
  [{ name: 'shop', web: { ...web, resources: { memory: '1Ki' } } }, /^web\.resources\.memory: must be at least/],
  [{ name: 'shop', web: { ...web, resources: { cpu: 0 } } }, /^web\.resources\.cpu: must be at least/],
  [{ name: 'shop', web: { ...web, update: { maxSurge: '25' } } }, /^web\.update\.maxSurge: must be a whole number, or a percentage/],
  [{ name: 'shop', web: { ...web, update: { maxSurge: 0, maxUnavailable: 0 } } }, /^web\.update\.maxUnavailable: must be at least 1 when maxSurge is 0/],
  [{ name: 'shop', web: { ...web, count: 3, update: { maxSurge: 0, maxUnavailable: '25%' } } }, /^web\.update\.maxUnavailable: .*"25%" of 3 rounds down to 0/],
  [{ name: 'shop', web: { ...web, update: { healthyDeadline: '10m', progressDeadline: '10m' } } }, /^web\.update\.progressDeadline: must be longer/],
  [
    { name: 'shop', web: { ...web, update: { progressDeadline: '1m' } } },
    /^web\.update\.progressDeadline: must be longer than healthyDeadline \(5m by default\)/,
  ],
  [{ name: 'shop', web: { ...web, update: { minHealthy: '5m' } } }, /^web\.update\.minHealthy: must be shorter/],
  [{ name: 'shop', web: { ...web, update: { canary: 1, autoPromote: false } } }, /^web\.update\.autoPromote: cannot be false in this version/],
  [{ name: 'shop', web: { ...web, hostPort: 8080, update: { canary: 1 } } }, /^web\.update\.canary: cannot be used with "hostPort"/],
  [{ name: 'shop', web: { ...web, hostPort: 8080, update: { maxSurge: 1 } } }, /^web\.update\.maxSurge: must be 0 with "hostPort"/],
  [{ name: 'shop', web: { ...web, count: 2, scale: { min: 1, max: 2 } } }, /^web\.scale: cannot be used together with "count"/],
  [{ name: 'shop', web: { ...web, scale: { min: 1, max: 2 } } }, /^web\.scale: is not available yet/],
  [{ name: 'shop', web: { ...web, run: { docker: 'nginx' } } }, /^web\.run\.docker: is not available yet in this version/],
  [{ name: 'shop', web: { ...web, run: { vm: 'a.qcow2' } } }, /^web\.run\.vm: is not available yet in this version/],
  [{ name: 'shop', web: { run: {} } }, /^web\.run\.process: is missing: it must be a command/],
  [{ name: 'shop', web: { port: 1 } }, /^web\.run: is missing/],
  [{ name: 'shop', web: { ...web, run: 'node server.js' } }, /^web\.run: must be an object, not a text/],
  [{ name: 'shop', web, jobs: { nightly: {} } }, /^jobs: is not available yet/],
  [
    { name: 'shop', web: { ...web, run: { process: 'node a.js | tee log' } } },
    /^web\.run\.process: contains "\|", which only a shell understands.*\['sh', '-c', /,
  ],
  [{ name: 'shop', web: { ...web, run: { process: 'a && b' } } }, /contains "&"/],
  [{ name: 'shop', web: { ...web, run: { process: 'node $FILE' } } }, /contains "\$"/],
  [{ name: 'shop', web: { ...web, run: { process: 'node a.js > log' } } }, /contains ">"/],
  [{ name: 'shop', web: { ...web, run: { process: 'node `ls`' } } }, /contains "`"/],
  [{ name: 'shop', web: { ...web, run: { process: 'node "$(ls)"' } } }, /contains "\$"/],
  [{ name: 'shop', web: { ...web, run: { process: "node 'a" } } }, /has a ' that is never closed/],
  [{ name: 'shop', web: { ...web, run: { process: '  ' } } }, /names no program/],
  [{ name: 'shop', web: { ...web, run: { process: [] } } }, /names no program/],
  [{ name: 'shop', web: { ...web, run: { process: ['node server.js'] } } }, /write each word as its own item/],
  [{ name: 'shop', web: { ...web, install: 'npm ci; ls' } }, /^web\.install: contains ";"/],
  [{ name: 'shop', web: { ...web, install: { run: 'npm ci', timeuot: '1m' } } }, /^web\.install\.timeuot: .*\[timeout\]$/],
  [{ name: 'shop', web: { ...web, env: { A: 3 } } }, /^web\.env\.A: must be a text: write '3000' instead of 3000/],
  [{ name: 'shop', web: { ...web, env: { PORT: '3' } } }, /^web\.env\.PORT: is set by Haven/],
  [{ name: 'shop', web: { ...web, env: { HAVEN_X: '3' } } }, /^web\.env\.HAVEN_X: is refused/],
  [{ name: 'shop', web: { ...web, env: { 'a-b': '3' } } }, /^web\.env\.a-b: must be called by/],
  [{ name: 'shop', web, env: { A: '1' }, secrets: ['A'] }, /^secrets\.0: is in "env" too/],
  [{ name: 'shop', web: { ...web, env: { A: '1' } }, secrets: ['A'] }, /^secrets\.0: is in the env of service "web" too/],
  [{ name: 'shop', web, secrets: { A: 'value' } }, /^secrets: must be a list, not an object/],
  [{ name: 'shop', web: { ...web, health: { ready: { http: '/x', tcp: true } } } }, /^web\.health\.ready: must have "http" or "tcp", and not both/],
  [{ name: 'shop', web: { ...web, health: 'healthz' } }, /^web\.health: must be a path/],
  [{ name: 'shop', web: { ...web, health: { ready: { http: '/x', rise: 0 } } } }, /^web\.health\.ready\.rise: must be a whole number from 1/],
  [{ name: 'shop', worker: { run: { process: 'node w.js' }, health: '/x', routes: [{}] } }, /^worker\.routes: needs "port"/, /^worker\.health: needs "port"/],
  [{ name: 'shop', web: { ...web, routes: [{ host: 'a b' }] } }, /^web\.routes\.0\.host: must be a host name/],
  [{ name: 'shop', web: { ...web, routes: [{ path: '/a/../b' }] } }, /^web\.routes\.0\.path: must be a path/],
  [{ name: 'shop', web: { ...web, routes: [{ host: 'a', tls: 'auto' }] } }, /^web\.routes\.0\.tls: must be "internal", not "auto"/],
  [{ name: 'shop', web: { ...web, tls: 'internal' } }, /^web\.tls: belongs to a route/],
  [{ name: 'shop', web: { ...web, routes: [{ tcp: 5432, tls: 'internal' }] } }, /^web\.routes\.0: cannot have "tls" with "tcp"/],
  [{ name: 'shop', db: { ...web, routes: [{ tcp: 5432, host: 'a' }] } }, /^db\.routes\.0: must have "tcp", or "host" and "path"/],
  [{ name: 'shop', db: { ...web, routes: [{ tcp: 70_000 }] } }, /^db\.routes\.0\.tcp: must be a whole number from 1 to 65535/],
  [{ name: 'shop', db: { ...web, routes: [{ tcp: 5432 }, { host: 'a' }] } }, /^db\.routes: must be all "tcp" or all of hosts and paths/],
  [
    { name: 'shop', a: { ...web, routes: [{ tcp: 5432 }] }, b: { ...web, routes: [{ tcp: 5433 }, { tcp: 5432 }] } },
    /^b\.routes\.1: repeats the port 5432 of service "a"/,
  ],
  [{ name: 'shop', web: { ...web, routes: [{}, { path: '/' }] } }, /^web\.routes\.1: repeats the route "\*" "\/" of service "web"/],
  [
    { name: 'shop', web: { ...web, routes: [{ host: 'A.example', path: '/x/' }] }, api: { ...web, routes: [{ host: 'a.example', path: '/x' }] } },
    /^api\.routes\.0: repeats the route "a\.example" "\/x" of service "web"/,
  ],
  [{ name: 'shop', web: { ...web, spread: 'node', placement: { policy: 'bin-pack' } } }, /^web\.spread: contradicts/],
  [{ name: 'shop', web: { ...web, restart: { maxDelay: '10m' } } }, /^web\.restart\.maxDelay: must be at most "5m"/],
  [{ name: 'shop', web, environments: { staging: { web: { cuont: 1 } } } }, /^environments\.staging\.web\.cuont: .*\[count\]$/],
  [{ name: 'shop', web, environments: { staging: { name: 'x' } } }, /^environments\.staging\.name: cannot differ/],
  [{ name: 'shop', web: { ...web, run: () => 1 } }, /^web\.run: must be plain data, not a function/],
  [{ name: 'shop', web: { ...web, count: Number.NaN } }, /^web\.count: must be a finite number/],
  [{ name: 'shop', web: { ...web, env: new Map([['A', '1']]) } }, /^web\.env: must be plain data, not an instance of a class/],
  [JSON.parse('{"name":"shop","__proto__":{"web":1}}'), /^__proto__: is refused as a key/],
  [{ name: 'shop', web, constructor: { run: { process: 'x' } } }, /^constructor: is refused as a key/],
];

for (const [config, ...patterns] of REFUSED) {
  test(`refused with the place and the reason: ${String(patterns[0]).slice(0, 90)}`, () => {
    const issues = issuesOf(config);
    equal(issues.length, patterns.length, issues.join('\n'));
    for (const [index, pattern] of patterns.entries()) ok(pattern.test(issues[index] ?? ''), issues[index]);
  });
}

test('what cannot end or is too large is refused before it is read', () => {
  const cycle: Record<string, unknown> = { name: 'shop' };
  cycle['web'] = cycle;
  ok(/nested deeper/.test(issuesOf(cycle)[0] ?? ''));
  ok(/too large/.test(issuesOf({ name: 'shop', web: { ...web, env: { A: 'x'.repeat(600_000) } } })[0] ?? ''));
  ok(/too large/.test(issuesOf({ name: 'shop', web: { ...web, routes: Array.from({ length: 6_000 }, () => ({})) } })[0] ?? ''));
});

test('percentages become instances: surge rounds up, unavailable rounds down', () => {
  const { spec } = specOf({ name: 'shop', web: { ...web, count: 10, update: { maxSurge: '25%', maxUnavailable: '25%' } } });
  deepEqual([spec.services['web']?.update.maxSurge, spec.services['web']?.update.maxUnavailable], [3, 2]);
});

test('a host port means no surge and one unavailable, unless told', () => {
  const { spec } = specOf({ name: 'shop', web: { ...web, hostPort: 8080 } });
  deepEqual([spec.services['web']?.update.maxSurge, spec.services['web']?.update.maxUnavailable, spec.services['web']?.hostPort], [0, 1, 8080]);
});

test('active/standby runs two unless told, and warns when nothing stands by', () => {
  equal(specOf({ name: 'shop', web: { ...web, mode: 'active-standby' } }).spec.services['web']?.count, 2);
  ok(/nothing stands by/.test(specOf({ name: 'shop', web: { ...web, mode: 'active-standby', count: 1 } }).warnings[0] ?? ''));
});

test('a listening service without a ready check is accepted with a warning (H7), a worker without one silently', () => {
  ok(/no ready check/.test(specOf({ name: 'shop', web: { run: web.run, port: 1 } }).warnings[0] ?? ''));
  deepEqual(specOf({ name: 'shop', worker: { run: web.run } }).warnings, []);
});

test('commands are split into words without a shell', () => {
  const commandOf = (process: unknown) => specOf({ name: 'shop', web: { ...web, run: { process } } }).spec.services['web']?.run.command;
  deepEqual(commandOf(`node  --title='my app' "a b" c\\ d ''`), ['node', '--title=my app', 'a b', 'c d', '']);
  deepEqual(commandOf(['sh', '-c', 'a | b > $C']), ['sh', '-c', 'a | b > $C']);
  deepEqual(commandOf(`node -e 'a && b | $C'`), ['node', '-e', 'a && b | $C']);
  deepEqual(commandOf('node --price=5$'), ['node', '--price=5$']);
});

test('an environment overrides objects key by key, one level deep', () => {
  const config = {
    name: 'shop',
    web: { ...web, count: 3, resources: { cpu: 1, memory: '1Gi' } },
    env: { A: '1', B: '2' },
    environments: { staging: { web: { count: 1, resources: { cpu: 0.5 } }, env: { B: '3' } } },
  };
  equal(specOf(config).spec.services['web']?.count, 3);
  const { spec } = specOf(config, 'staging');
  deepEqual(spec.environment, { A: '1', B: '3' });
  equal(spec.services['web']?.count, 1);
  deepEqual(spec.services['web']?.resources, { cpu: 0.5, memoryBytes: 256 * 2 ** 20 });
  deepEqual(issuesOf(config, 'stagign'), ['environments.stagign: does not exist; known: staging [staging]']);
});

test('a mistake in the base is told once, however many environments there are', () => {
  equal(issuesOf({ name: 'shop', web: { ...web, prot: 1 }, environments: { a: { web: { count: 1 } }, b: {} } }).length, 1);
});

test('no config, whatever it is, makes it throw', () => {
  const service = fc.record({ run: fc.anything(), health: fc.anything(), update: fc.anything(), routes: fc.anything() }, { requiredKeys: [] });
  fc.assert(
    fc.property(fc.oneof(fc.anything(), fc.record({ name: fc.anything(), web: fc.oneof(service, fc.anything()), environments: fc.anything() })), (config) => {
      const resolved = resolveApp(config);
      return resolved.ok ? resolved.spec.name.length > 0 : resolved.issues.length > 0;
    }),
    { numRuns: 500 },
  );
});

test('a route may be for HTTPS only', () => {
  const { spec } = specOf({ name: 'shop', web: { ...web, routes: [{ host: 'Shop.test', tls: 'internal' }, { host: 'plain.test' }] } });
  deepEqual(Object.values(spec.services)[0]?.routes, [
    { host: 'shop.test', path: '/', tls: 'internal' },
    { host: 'plain.test', path: '/' },
  ]);
});
