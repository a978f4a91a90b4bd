import { parseName } from '#base/name';
import { Dataplane } from '#gateway/dataplane/dataplane';
import { openRing } from '#gateway/dataplane/ring/open-ring';
import { instanceIdOf } from '#model/instance';
import type { Route } from '#model/route';

/** One worker's data plane in front of one or more backends, as a program: PORT, and ORIGIN or ORIGINS (ports by comma); HTTP2 to speak that too. */
const app = parseName('bench', 'an app');
const service = parseName('web', 'a service');
const routes = Number(process.env['ROUTES'] ?? 1);
const ports = (process.env['ORIGINS'] ?? process.env['ORIGIN'] ?? '').split(',').map(Number);
const backend = (slot: number) =>
  ({
    id: instanceIdOf(app, service, slot, 1),
    name: `web.${slot}`,
    attempt: 1,
    address: { host: '127.0.0.1', port: ports[slot - 1] ?? 0 },
    weight: 1,
    tier: 'primary',
    state: 'active',
  }) as const;
const table: Route[] = [
  {
    app,
    service,
    matches: [{ host: '*', path: '/' }],
    balance: process.env['BALANCE'] ?? 'round-robin',
    ...(process.env['PIPELINE'] ? { settings: { pipeline: true } } : {}),
    ...(process.env['RATE'] ? { rateLimit: { ratePerSecond: 1e6, burst: 1e6, per: 'client' } as const } : {}),
    backends: ports.map((_, i) => backend(i + 1)),
  },
];
for (let i = 1; i < routes; i++) {
  const name = parseName(`web-${i}`, 'a service');
  table.push({
    app,
    service: name,
    matches: [{ host: `h${i}.test`, path: `/p${i}` }],
    balance: 'round-robin',
    backends: [{ ...backend(1), id: instanceIdOf(app, name, 1, 1) }],
  });
}
const dataplane = new Dataplane(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]), openRing().ring);
dataplane.apply(2, table);
await dataplane.listen('public', { host: '127.0.0.1', port: Number(process.env['PORT']) }, process.env['HTTP2'] ? { http2: true } : {});
process.once('SIGINT', () => process.exit(0));
process.stdout.write(`ready ${process.pid}\n`);
