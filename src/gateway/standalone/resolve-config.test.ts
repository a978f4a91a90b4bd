import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress } from '#base/host-port';
import { parseRate } from '#base/rate';
import { parseAddress } from './config-values.ts';
import { resolveGatewayConfig } from './resolve-config.ts';

const small = { listen: '127.0.0.1:8080', routes: [{ service: 'web' }], services: { web: { backends: ['127.0.0.1:3000'] } } };

function issuesOf(value: unknown): readonly string[] {
  const resolved = resolveGatewayConfig(value, { secret: 'x' });
  return resolved.ok ? [] : resolved.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
}

test('the smallest file gets every default', () => {
  deepEqual(resolveGatewayConfig(small, { secret: 'x' }), {
    ok: true,
    config: {
      name: 'gateway',
      listeners: [{ address: { host: '127.0.0.1', port: 8080 } }],
      admin: { host: '127.0.0.1', port: 7781 },
      drainMs: 30_000,
      clientCas: [],
      preDrainMs: 5_000,
      resolver: [],
      routes: [
        {
          app: 'gateway',
          service: 'web',
          matches: [{ host: '*', path: '/' }],
          balance: 'round-robin',
          settings: { usesDraining: true },
          backends: [
            {
              id: 'web/127.0.0.1:3000',
              name: '127.0.0.1:3000',
              attempt: 1,
              address: { host: '127.0.0.1', port: 3000 },
              weight: 1,
              tier: 'primary',
              state: 'active',
            },
          ],
        },
      ],
    },
  });
});

test('all that can be written is understood', () => {
  const resolved = resolveGatewayConfig(
    {
      name: 'edge',
      listen: [{ address: '0.0.0.0:80' }, '[::1]:81'],
      admin: '127.0.0.1:9901',
      workers: 2,
      accessLog: '/var/log/haven',
      drain: '5s',
      stickySecret: 'sixteen-letters-or-more',
      routes: [
        { host: 'shop.example.com', service: 'web' },
        { host: 'shop.example.com', path: '/api', service: 'web' },
      ],
      services: {
        web: {
          backends: [
            { address: 'localhost:3000', weight: 2.5 },
            { address: '10.0.0.2:3000', tier: 'backup', drain: true },
          ],
          balance: 'sticky?ttl=60m',
          check: { tcp: true, interval: '500ms' },
          slowStart: '0s',
          pipeline: true,
          retries: { count: 1, on: ['503', 'timeout'], idempotencyKey: true },
          rateLimit: { rate: '600/m' },
          timeouts: { connect: '1s', answer: '10s', idle: '2m', total: '5m' },
          limits: { body: '1Mi', inFlight: 100, waiting: 0 },
          ejection: { failures: 3, errors: 0, slower: 5, for: '3s' },
          panic: 0.3,
          backups: 'all',
          backupDrain: '30s',
          stickyDrain: '1m',
        },
      },
    },
    { secret: 'x' },
  );
  ok(resolved.ok);
  const [route] = resolved.config.routes;
  deepEqual(
    { ...route, backends: route?.backends.map(({ address, weight, tier, state }) => `${formatAddress(address)} ${weight} ${tier} ${state}`) },
    {
      app: 'edge',
      service: 'web',
      matches: [
        { host: 'shop.example.com', path: '/' },
        { host: 'shop.example.com', path: '/api' },
      ],
      balance: 'sticky?ttl=1h',
      stickySecret: 'sixteen-letters-or-more',
      slowStartMs: 0,
      check: { probe: { kind: 'tcp' }, intervalMs: 500, timeoutMs: 500, rise: 2, fall: 3 },
      rateLimit: { ratePerSecond: 10, burst: 10, per: 'client' },
      settings: {
        connectTimeoutMs: 1_000,
        answerTimeoutMs: 10_000,
        idleTimeoutMs: 120_000,
        totalTimeoutMs: 300_000,
        maxTries: 2,
        retryOn: ['503', 'timeout'],
        trustsIdempotencyKey: true,
        maxBodyBytes: 1_048_576,
        maxInFlight: 100,
        maxWaiting: 0,
        ejection: { failures: 3, errors: 0, slowFactor: 5, baseMs: 3_000 },
        panicShare: 0.3,
        allBackups: true,
        backupDrainMs: 30_000,
        usesDraining: true,
        stickyDrainMs: 60_000,
        pipeline: true,
      },
      backends: ['127.0.0.1:3000 2.5 primary active', '10.0.0.2:3000 1 backup draining'],
    },
  );
});

test('every mistake is told at once, with what was probably meant', () => {
  deepEqual(
    issuesOf({
      listen: '0.0.0.0',
      admin: '10.0.0.1:9901',
      wokers: 2,
      routes: [{ service: 'wbe' }, { path: 'api', service: 'web' }],
      services: { web: { backends: ['10.0.0.300:80', { address: '127.0.0.1:1', teir: 'backup' }], balance: 'least-requests', rateLimit: { rate: 'fast' } } },
    }).map((issue) => issue.slice(0, 70)),
    [
      'listen must be an address with a port, such as "127.0.0.1:3000" or "[:',
      'admin must be a loopback address: who reaches it can read and reload',
      'routes.1.path must be a path such as "/api", of ASCII characters as th',
      'services.web.backends.0 must have an IP address or a name such as "api',
      'services.web.backends.1.teir is not a known key; did you mean "tier"? ',
      'services.web.balance cannot be used: Cannot balance by "least-requests',
      'services.web.rateLimit.rate must be a rate such as "100/s" or "30/m"',
      'wokers is not a known key; did you mean "workers"? known here: name, l',
      'routes.0.service is "wbe", but there are only web',
    ],
  );
});

test('what can only be a mistake is refused: hidden routes, the same backend or port twice, certificates without a key, listeners that lead nowhere', () => {
  deepEqual(issuesOf({ ...small, routes: [{ service: 'web' }, { host: '*', path: '/', service: 'web' }] }), [
    'routes.1 has the same host and path as routes.0, which would get all its requests',
  ]);
  deepEqual(issuesOf({ ...small, services: { web: { backends: ['127.0.0.1:3000', 'localhost:3000'] } } }), [
    'services.web.backends.1 is 127.0.0.1:3000 once more; give it a weight instead',
  ]);
  deepEqual(issuesOf({ ...small, listen: ['127.0.0.1:80', '127.0.0.1:81'], admin: '127.0.0.1:81' }), ['admin is 127.0.0.1:81 once more']);
  deepEqual(issuesOf({ ...small, listen: ['0.0.0.0:80', '[::]:80', '127.0.0.1:81'], admin: '127.0.0.1:80' }), [
    'listen.1 is [::]:80, which cannot be had beside 0.0.0.0:80: [::]:80 has the connections of 0.0.0.0:80 too; leave one of them out',
    'admin is 127.0.0.1:80, which cannot be had beside 0.0.0.0:80: 0.0.0.0:80 has the connections of 127.0.0.1:80 too; leave one of them out',
  ]);
  deepEqual(issuesOf({ ...small, listen: ['0.0.0.0:80', '[::1]:80', '127.0.0.1:0', '127.0.0.1:0', '[::]:81', '0.0.0.0:82'] }), []);
  deepEqual(issuesOf({ ...small, listen: { address: '127.0.0.1:443', tls: {} } }), [
    'listen.tls has no certificates: add "certificates" with files, or write "tls: auto" for those of a public authority, "tls: internal" for those of the gateway\'s own',
  ]);
  deepEqual(issuesOf({ ...small, listen: [{ address: '127.0.0.1:443', tls: { certificates: [{ cert: 'a.pem' }], minVersion: 1.1 } }] }), [
    'listen.0.tls.certificates.0.key is missing: it must be the path of a PEM file',
    'listen.0.tls.minVersion must be 1.2 or 1.3',
  ]);
  deepEqual(issuesOf({ ...small, listen: ['127.0.0.1:80', { address: '127.0.0.1:5432', tcp: 'wbe' }] }), ['listen.1.tcp is "wbe", but there are only web']);
  deepEqual(issuesOf({ listen: ['127.0.0.1:80', { address: '127.0.0.1:5432', tcp: 'web' }], services: small.services }), [
    'listen.0 has no routes to follow; add "routes", or "tcp" with the name of a service',
  ]);
  deepEqual(
    issuesOf({ listen: { address: '127.0.0.1:5432', tcp: 'db', redirect: 'https' }, services: { db: { backends: ['127.0.0.1:1'], clientCa: 'ca.pem' } } }),
    [
      'listen.redirect is for requests: connections of a listener with "tcp" are carried as they are',
      'listen.tcp is "db", which wants certificates of its clients ("clientCa"): that is only checked of requests',
    ],
  );
  for (const balance of ['sticky', 'hash?on=path', 'maglev?on=header:x-user'])
    deepEqual(
      issuesOf({ listen: { address: '127.0.0.1:5432', tcp: 'db' }, services: { db: { backends: ['127.0.0.1:1'], balance } } }).map((issue) =>
        issue.slice(0, 35),
      ),
      ['listen.tcp leads to a service whose'],
    );
  const named = 'must be services by name, such as { web: { backends: [127.0.0.1:3000] } }';
  deepEqual(issuesOf({ listen: '127.0.0.1:80', routes: [{ service: 'web' }] }), [`services is missing: it ${named}`]);
  deepEqual(issuesOf({ listen: '127.0.0.1:80', routes: [{ service: 'web' }], services: {} }), [
    `services ${named}`,
    'routes.0.service is "web", but there are no services',
  ]);
  ok(issuesOf('text').length === 1 && issuesOf(undefined).length === 1);
});

test('settings of traffic are checked each for itself', () => {
  const web = (more: object) => issuesOf({ ...small, services: { web: { backends: ['127.0.0.1:3000'], ...more } } }).map((issue) => issue.slice(13, 90));
  deepEqual(web({ retries: 11 }), ['retries must be a whole number from 0 to 10']);
  deepEqual(web({ retries: { on: ['404'] } }), ['retries.on.0 must be "502" or "503" or "504" or "timeout", not "404"']);
  deepEqual(web({ panic: 50 }), ['panic must be a share from 0 to 1']);
  deepEqual(web({ ejection: { slower: 1 } }), ['ejection.slower must be 0, or a number from 1.5 to 100']);
  deepEqual(web({ backups: 'some' }).length, 1);
  deepEqual(web({ retries: 0, panic: 0, ejection: { failures: 0, errors: 0, slower: 0 }, backups: 'first' }), []);
});

test('addresses and rates are read back as they are written', () => {
  const hostArb = fc.oneof(fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(hostArb, fc.integer({ min: 0, max: 65_535 }), (host, port) => {
      deepEqual(parseAddress(formatAddress({ host, port })), { host, port });
    }),
  );
  for (const text of ['', ':80', '1.2.3.4', '1.2.3.4:', '1.2.3.4:65536', '::1:80', '[::1]', 'http://1.2.3.4:80'])
    equal(typeof parseAddress(text), 'string', text);
  deepEqual(['100/s', '30/m', '0.5/s', '0/s', '5', '5/d'].map(parseRate), [100, 0.5, 0.5, undefined, undefined, undefined]);
});

test('a file for connections only needs no routes; what they lead to, and how long they live on in a drain, is resolved', () => {
  const resolved = resolveGatewayConfig(
    {
      name: 'edge',
      trust: ['10.0.0.0/8'],
      listen: { address: '0.0.0.0:5432', tcp: 'db', proxyProtocol: ['10.0.0.0/8'] },
      services: { db: { backends: ['127.0.0.1:5433', { address: '127.0.0.1:5434', tier: 'backup' }], balance: 'hash', drain: '1m' } },
    },
    { secret: 'x' },
  );
  ok(resolved.ok);
  deepEqual(resolved.config.listeners, [{ address: { host: '0.0.0.0', port: 5432 }, settings: { tcp: 'edge/db', proxyFrom: ['10.0.0.0/8'], http2: false } }]);
  deepEqual(
    resolved.config.routes.map(({ matches, backends }) => [matches, backends.map(({ drainMs, tier }) => `${tier} ${drainMs}`)]),
    [[[], ['primary 60000', 'backup 60000']]],
  );
});

test('"tls: internal" is a certificate for each host of the routes, and one for the address where a route is for any host', () => {
  const routes = [
    { host: 'Shop.test', service: 'web' },
    { host: 'shop.test', path: '/a', service: 'web' },
    { host: 'api.test', service: 'web' },
  ];
  const planned = (file: object) => {
    const resolved = resolveGatewayConfig({ ...small, ...file }, { secret: 'x', folder: '/etc/haven' });
    return resolved.ok ? resolved.config.listeners.map(({ tls }) => tls) : resolved.issues;
  };
  const common = { at: ['listen', 'tls'], certificates: [], unknownNames: 'serve', minVersion: 'TLSv1.2' };
  const listen = (tls: unknown) => ({ address: '127.0.0.1:443', tls });
  deepEqual(planned({ routes, listen: listen('internal') }), [{ ...common, internal: { names: ['shop.test', 'api.test'], isForAddress: false } }]);
  deepEqual(planned({ listen: listen('internal') }), [{ ...common, internal: { names: [], isForAddress: true } }]);
  deepEqual(planned({ listen: listen({ internal: true, names: ['*.Shop.test', '192.0.2.1'], unknownNames: 'reject', minVersion: 1.3 }) }), [
    { ...common, unknownNames: 'reject', minVersion: 'TLSv1.3', internal: { names: ['*.shop.test', '192.0.2.1'], isForAddress: true } },
  ]);
  // Connections that are carried as they are have no host.
  deepEqual(planned({ routes, listen: { ...listen('internal'), tcp: 'web' } }), [{ ...common, internal: { names: [], isForAddress: true } }]);
  const resolved = resolveGatewayConfig({ ...small, state: 'kept' }, { secret: 'x', folder: '/etc/haven' });
  deepEqual(resolved.ok && resolved.config.state, '/etc/haven/kept');
});

test('"tls: internal" beside what it does not go with is refused, with why', () => {
  const tls = (value: unknown, more: object = {}) => issuesOf({ ...small, ...more, listen: { address: '127.0.0.1:443', tls: value } });
  const certificates = [{ cert: 'a.pem', key: 'a.key' }];
  deepEqual(tls({ internal: true, certificates }), [
    'listen.tls has "certificates" and "internal": one listener has them from files or from the gateway\'s own authority, not both',
  ]);
  deepEqual(tls({ certificates, names: ['a.test'] }), ['listen.tls.names is for "internal": certificates from files have their names in them']);
  deepEqual(tls('interal'), [
    'listen.tls must be auto, internal, { internal: true, names, unknownNames, minVersion } or { certificates, auto, unknownNames, minVersion }',
  ]);
  deepEqual(tls({ internal: 'yes' }), ['listen.tls.internal must be true or false']);
  match(tls({ internal: true, nmaes: [] }).join(), /^listen\.tls\.nmaes is not a known key; did you mean "names"\? /);
  for (const name of ['a b', '*', 'a.*.test', '300.0.0.1'])
    deepEqual(tls({ internal: true, names: [name] }), ['listen.tls.names.0 must be a host name such as "shop.test" or "*.shop.test", or an IP address'], name);
  const routes = Array.from({ length: 1_001 }, (_, i) => ({ host: `a${i}.test`, service: 'web' }));
  deepEqual(tls('internal', { routes }), ["listen.tls would need 1001 certificates of the gateway's own authority, and at most 1000 are issued"]);
  deepEqual(issuesOf({ ...small, listen: { address: '127.0.0.1:443', tls: 'internal', redirect: 'https' } }), [
    'listen.redirect is for listeners without TLS: this one speaks HTTPS itself',
  ]);
});

test('"tls: auto" is a certificate for each host of the routes, got from Let\'s Encrypt by the challenge for which there is a listener', () => {
  const acme = { agree: true } as const;
  const routes = [
    { host: 'Shop.test', service: 'web' },
    { host: 'shop.test', path: '/a', service: 'web' },
    { host: '192.0.2.1', service: 'web' },
    { service: 'web' },
  ];
  const planned = (file: object) => {
    const resolved = resolveGatewayConfig({ ...small, acme, routes, ...file }, { secret: 'x', folder: '/etc/haven' });
    return resolved.ok ? resolved.config.listeners.map(({ tls }) => tls?.auto) : resolved.issues;
  };
  const secure = { address: '127.0.0.1:443', tls: 'auto' };
  const common = { at: ['listen', '1', 'tls', 'auto'], directory: 'https://acme-v02.api.letsencrypt.org/directory', email: undefined, caFile: undefined };
  const byRoutes = { names: ['shop.test'], isByRoutes: true };
  deepEqual(planned({ listen: ['127.0.0.1:80', secure] }), [undefined, { ...common, ...byRoutes, challenge: 'http-01' }]);
  deepEqual(planned({ listen: [secure] }), [{ ...common, ...byRoutes, at: ['listen', '0', 'tls', 'auto'], challenge: 'tls-alpn-01' }]);
  // What a listener says goes before what is said for all.
  const auto = { names: ['A.test', 'b.test', 'a.test'], challenge: 'tls-alpn-01', directory: 'https://ca.test/dir', ca: 'ca.pem' };
  deepEqual(
    planned({ acme: { agree: true, email: 'ops@shop.test', directory: 'https://other.test/dir' }, listen: ['127.0.0.1:80', { ...secure, tls: { auto } }] }),
    [
      undefined,
      {
        ...common,
        names: ['a.test', 'b.test'],
        isByRoutes: false,
        challenge: 'tls-alpn-01',
        directory: 'https://ca.test/dir',
        email: 'ops@shop.test',
        caFile: '/etc/haven/ca.pem',
      },
    ],
  );
});

test('"tls: auto" needs a word about terms, names, and a way to show that they are ours; wildcards and addresses cannot be had', () => {
  const acme = { agree: true } as const;
  const routes = [{ host: 'shop.test', service: 'web' }];
  const tls = (value: unknown, more: object = {}) => issuesOf({ ...small, acme, routes, listen: { address: '127.0.0.1:443', tls: value }, ...more });
  deepEqual(tls('auto'), []);
  deepEqual(tls({ auto: { agree: true } }, { acme: undefined }), []);
  deepEqual(tls('auto', { acme: undefined }), [
    'listen.tls wants your word: "acme: { agree: true }" says that you agree to the terms of Let\'s Encrypt (https://letsencrypt.org/repository/)',
  ]);
  match(
    tls({ auto: {} }, { acme: { agree: false, directory: 'https://ca.test/dir' } }).join(),
    /^listen\.tls\.auto wants your word: .* the authority at https:\/\/ca\.test\/dir$/,
  );
  deepEqual(tls({ auto: {}, internal: true }), [
    'listen.tls has "auto" and "internal": one listener has certificates of a public authority or of the gateway\'s own, not both',
  ]);
  deepEqual(tls({ auto: {}, names: ['a.test'] }), ['listen.tls.names is for "internal": those of "auto" are in "auto: { names }"']);
  deepEqual(tls('auto', { routes: small.routes }), [
    'listen.tls has no names to get certificates for: no route has a host; add hosts to routes, or "auto: { names }"',
  ]);
  deepEqual(tls({ auto: { challenge: 'http-01' } }), [
    'listen.tls.auto cannot use http-01 without a listener for HTTP without TLS; add one, or use "challenge: tls-alpn-01"',
  ]);
  deepEqual(tls({ auto: { names: ['*.shop.test', '192.0.2.1', 'shop_.test', 'ok.test'] } }), [
    'listen.tls.auto.names.0 must not be a wildcard: only DNS-01 can prove those, which is not supported; name each host',
    'listen.tls.auto.names.1 must be a host name, not an IP address',
    'listen.tls.auto.names.2 must be a host name such as "shop.example.com"',
  ]);
  deepEqual(tls('auto', { acme: { agree: true, directory: 'http://ca.test/dir', email: 'ops', challenge: 'dns-01' } }), [
    'acme.email must be an address such as "ops@example.com"',
    'acme.directory must be an https:// URL, such as "https://acme-v02.api.letsencrypt.org/directory"',
    'acme.challenge must be "http-01" or "tls-alpn-01", not "dns-01"',
  ]);
  match(tls('atuo').join(), /^listen\.tls must be auto/);
  match(tls({ auto: { nmaes: [] } }).join(), /^listen\.tls\.auto\.nmaes is not a known key; did you mean "names"\?/);
  match(
    tls('auto', { routes: Array.from({ length: 101 }, (_, i) => ({ host: `h${i}.test`, service: 'web' })) }).join(),
    /would get certificates for 101 hosts/,
  );
});

test('what is written as for other proxies is refused with how it is written here', () => {
  const backendIssue = (backend: string) => issuesOf({ ...small, services: { web: { backends: [backend] } } });
  const unix = 'services.web.backends.0 is a unix socket, and backends are reached by TCP only: let it listen on a loopback port, such as "127.0.0.1:3000"';
  deepEqual(backendIssue('unix:/run/app.sock'), [unix]);
  deepEqual(backendIssue('/run/app.sock'), [unix]);
  deepEqual(backendIssue('http://127.0.0.1:3000'), [
    'services.web.backends.0 must be an address with a port and nothing before it, such as "127.0.0.1:3000": backends are spoken to in HTTP/1.1 without TLS',
  ]);
  deepEqual(issuesOf({ ...small, routes: [{ path: '/api/*', service: 'web' }] }), [
    'routes.0.path must not end with "*": what it begins with is matched already, "/api" stands for "/api/x" too',
  ]);
  deepEqual(issuesOf({ ...small, routes: [{ path: '/a%20b', service: 'web' }] }), [
    'routes.0.path must be a path such as "/api", of ASCII characters as they are: without "." or "..", a query, or percent-encoding',
  ]);
});
