import { deepEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { parseName } from '#base/name';
import { instanceIdOf } from '#model/instance';
import type { Backend, Route, RouteSettings } from '#model/route';
import type { AccessEntry, AccessLog } from './access-log.ts';
import { ClientConnection } from './dataplane/client-connection.ts';
import { every, monotonicNow } from './dataplane/clock.ts';
import type { Dataplane } from './dataplane/dataplane.ts';
import { Http2Connection } from './dataplane/http2/http2-connection.ts';
import { LIMITS } from './dataplane/limits.ts';
import { startDataplane } from './fixture-dataplane.ts';
import { SoakBackend } from './fixture-soak-backend.ts';
import { SoakClient } from './fixture-soak-client.ts';
import { SoakDoor } from './fixture-soak-door.ts';
import { SoakHttp2Client } from './fixture-soak-http2.ts';
import { Ledger, Luck, type SoakService } from './fixture-soak-plan.ts';
import { runSoakSocket } from './fixture-soak-socket.ts';
import { APP, backendAt, pause, routeTo, until } from './live-fixture.ts';
import { anyNameTls } from './tls/tls-fixture.ts';

/**
 * Clients and backends that do everything wrong that luck can think of, against one worker's data plane: `SEED=7 SECONDS=300 node --test src/gateway/soak.live.test.ts`
 * runs another schedule for longer. A seed decides what is sent, answered, broken and left; sockets and timers decide what of it meets.
 */
const seed = Number(process.env['SEED'] ?? 20_261_127);
const seconds = Number(process.env['SECONDS'] ?? 6);
const lanes = Number(process.env['LANES'] ?? 16);
const mebibyte = 1024 * 1024;
const lookMs = 50;
const SETTINGS: RouteSettings = { answerTimeoutMs: 4_000, idleTimeoutMs: 4_000, ejection: { failures: 0, errors: 0, slowFactor: 0 } };

function route(service: SoakService, backends: readonly Backend[], settings: RouteSettings): Route {
  return routeTo(backends, { service: parseName(service, 'a service'), matches: [{ host: '*', path: `/${service}` }], settings: { ...SETTINGS, ...settings } });
}

function backendsOf(service: SoakService, ports: readonly number[], changes: Partial<Backend> = {}): readonly Backend[] {
  return ports.map((port, i) =>
    backendAt(i + 1, port, { id: instanceIdOf(APP, parseName(service, 'a service'), i + 1, 1), name: `${service}.${i + 1}`, ...changes }),
  );
}

/** All backends are there. */
function calmRoutes(ports: readonly number[], attempt: number): readonly Route[] {
  return [
    route('alone', backendsOf('alone', ports), { retryOn: ['503'] }),
    route('piped', backendsOf('piped', ports), { pipeline: true }),
    route('changing', backendsOf('changing', ports, { attempt }), {}),
  ];
}

/** Routes of another moment; only those of one service differ. */
function drawRoutes(luck: Luck, ports: readonly number[], attempt: number): readonly Route[] {
  const settings: RouteSettings = { pipeline: luck.isOneIn(2), ...(luck.isOneIn(4) ? { maxInFlight: 2 } : {}), ...(luck.isOneIn(3) ? { ejection: {} } : {}) };
  const changing = backendsOf('changing', ports, { attempt })
    .map((backend) => (luck.isOneIn(4) ? { ...backend, state: 'draining' as const } : backend))
    .filter(() => !luck.isOneIn(4));
  return [...calmRoutes(ports, attempt).slice(0, 2), ...(luck.isOneIn(8) ? [] : [route('changing', changing, settings)])];
}

async function changeRoutes(dataplane: Dataplane, ports: readonly number[], isOver: () => boolean): Promise<void> {
  const luck = new Luck(seed + 1);
  let attempt = 1;
  for (let revision = 2; !isOver(); revision++) {
    if (luck.isOneIn(6)) attempt++;
    dataplane.apply(revision, drawRoutes(luck, ports, attempt));
    if (luck.isOneIn(4)) {
      const key = [...dataplane.backends.keys()].find((each) => each.includes('changing'));
      if (key !== undefined) dataplane.setHealth([{ key, health: luck.isOneIn(2) ? 'failing' : 'passing', reachable: luck.isOneIn(2), byHttp: true }]);
    }
    await pause(luck.below(150));
  }
  dataplane.apply(1_000_000, calmRoutes(ports, attempt + 1));
}

/** What is under way in a data plane. */
function underWay(dataplane: Dataplane): Readonly<Record<string, number>> {
  const { plane, services, backends } = dataplane;
  const sum = <Item>(items: Iterable<Item>, of: (item: Item) => number) => [...items].reduce((total, item) => total + of(item), 0);
  return {
    clients: plane.clients.size,
    opening: plane.opening.size,
    unproven: plane.unproven.size,
    inFlight: sum(services.values(), ({ inFlight }) => inFlight),
    held: sum(services.values(), ({ heldCount }) => heldCount),
    tunnels: sum(services.values(), ({ counts }) => counts.tunnels),
    busy: sum(backends.values(), ({ inFlight }) => inFlight),
  };
}

/** What the clients are that are still there, and how long they may stay. */
function clientsLeft(dataplane: Dataplane): string {
  const lines = dataplane.plane.clients.toArray().map((client) => {
    const leftMs = (client.deadlineAt - monotonicNow()).toFixed(0);
    if (client instanceof ClientConnection) return `HTTP/1.1 ${client.tls}, pending ${client.wire.isPending}, end sent ${client.wire.hasSentEnd}, ${leftMs} ms`;
    return client instanceof Http2Connection ? `HTTP/2 ${client.origin.tls?.version}, ${client.streams.size} streams, ${leftMs} ms` : '';
  });
  return lines.join('\n');
}

async function runClient(ledger: Ledger, luck: Luck, doors: readonly SoakDoor[]): Promise<void> {
  const door = luck.pick(doors);
  const kind = luck.below(8);
  if (kind === 0) await runSoakSocket(ledger, luck, door);
  else if (kind <= 2) await new SoakHttp2Client(ledger, luck, door).run();
  else await new SoakClient(ledger, luck, door).run();
}

/** Writes down how each request ended in the data plane, and how long this process stood still. */
function follow(dataplane: Dataplane, ledger: Ledger): Disposable {
  const log: Pick<AccessLog, 'add'> = {
    add({ path, protocol, tls, status, end, tries, backend }: AccessEntry) {
      const token = path.split('/').at(-1) ?? '';
      ledger.ends.set(token, [...(ledger.ends.get(token) ?? []), `${protocol} ${tls} ${status} ${end} ${tries} ${backend}`]);
    },
  };
  dataplane.plane.accessLog = log as AccessLog;
  let last = monotonicNow();
  return every(lookMs, () => {
    ledger.stalled(monotonicNow() - last - lookMs);
    last = monotonicNow();
  });
}

test('each request gets its own answer, whole and once, whatever clients, backends and routes do meanwhile', async () => {
  const ledger = new Ledger();
  using backends = new DisposableStack();
  const both = [backends.use(new SoakBackend(ledger)), backends.use(new SoakBackend(ledger))];
  const ports = await Promise.all(both.map(async (backend) => await backend.listen()));
  using live = await startDataplane(calmRoutes(ports, 1), { http2: true });
  const { dataplane } = live;
  const secure = await dataplane.listen('secure', { host: '127.0.0.1', port: 0 }, { tls: await anyNameTls(['h2', 'http/1.1']) });
  const bound = secure.address();
  const securePort = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const doors = [new SoakDoor(live.address, false), new SoakDoor({ host: '127.0.0.1', port: securePort }, true)];
  using _ = follow(dataplane, ledger);
  const deadline = monotonicNow() + seconds * 1_000;
  const isOver = () => monotonicNow() > deadline || ledger.problems.length > 0;
  const lane = async (number: number) => {
    for (let round = 0; !isOver(); round++) await runClient(ledger, new Luck(seed + number * 1_000_003 + round * 7_919), doors);
  };
  await Promise.all([changeRoutes(dataplane, ports, isOver), ...Array.from({ length: lanes }, async (_each, i) => await lane(i))]);
  const outcomes = JSON.stringify(Object.fromEntries(ledger.outcomes));
  if (process.env['SECONDS'] !== undefined)
    process.stderr.write(`seed ${seed}: ${outcomes}, stood still for ${ledger.worstStallMs.toFixed(0)} ms, ${memory()}\n`);
  deepEqual(ledger.problems, [], `seed ${seed}, refused: ${JSON.stringify(Object.fromEntries(dataplane.plane.refusals))}`);
  await until(() => Object.values(underWay(dataplane)).every((count) => count === 0), 'nothing is under way').catch(() => undefined);
  deepEqual([underWay(dataplane), clientsLeft(dataplane)], [{ clients: 0, opening: 0, unproven: 0, inFlight: 0, held: 0, tunnels: 0, busy: 0 }, '']);
  const kept = () => [...dataplane.backends.values()].reduce((sum, { idle, pipeline }) => sum + idle.length + (pipeline?.size ?? 0), 0);
  const open = () => both.reduce((sum, { connections }) => sum + connections.size, 0);
  await until(() => kept() === open(), 'every connection that is open at a backend is kept by the gateway');
  ok(kept() <= dataplane.backends.size * (LIMITS.idlePerBackend + LIMITS.pipelineConnections), `${kept()} connections are kept`);
  ledger.compareEnds();
  deepEqual(ledger.problems, [], `seed ${seed}, refused: ${JSON.stringify(Object.fromEntries(dataplane.plane.refusals))}`);
  ok((ledger.outcomes.get('whole') ?? 0) > 0, outcomes);
});

/** For whoever runs it for longer: with twice the time it must not be twice as much. */
function memory(): string {
  const { heapUsed, external, rss } = process.memoryUsage();
  return `heap ${(heapUsed / mebibyte).toFixed(0)} MiB, buffers ${(external / mebibyte).toFixed(0)} MiB, resident ${(rss / mebibyte).toFixed(0)} MiB`;
}
