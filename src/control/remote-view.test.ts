import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { test } from 'node:test';
import { toBytes } from '#base/bytes';
import { hasCode } from '#base/errors';
import { Mirror } from '#model/mirror';
import { MemoryStore } from '#store/memory/memory-store';
import { startSimulation } from '#world/conformance/start-simulation';
import type { Address } from '#world/world';
import { StoreHandler } from './api/store-handler.ts';
import { localView } from './local-view.ts';
import { RemoteView } from './remote-view.ts';
import { jsonLines } from './wire-error.ts';

const PORT = 7_700;

/** A control that serves its store, and a world on another host that looks at it. */
async function linked(seed: number) {
  const simulation = startSimulation({ seed });
  const control = simulation.host('control').world;
  const { world } = simulation.host('agent');
  const store = new MemoryStore(control);
  const handler = new StoreHandler(control, { store, view: localView(store), authenticate: () => ({ kind: 'admin' }) });
  const serving = control.network.serve({ host: '0.0.0.0', port: PORT }, (request) => handler.serveStore(request));
  await simulation.complete(serving);
  const address: Address = { host: 'control', port: PORT };
  return { simulation, store, handler, world, view: new RemoteView(world, { address, token: 'x' }) };
}

test('a watch that falls silent ends as UNAVAILABLE after 12 s, whatever the connection says', async () => {
  const { simulation, store, view } = await linked(1);
  await store.transact({ compare: [], then: [{ kind: 'put', key: '/apps/a', value: '1' }] });
  const revisions: number[] = [];
  const reading = (async () => {
    for await (const batch of view.watch('/apps/', { fromRevision: 2, signal: new AbortController().signal })) revisions.push(batch.revision);
  })();
  reading.catch(() => undefined);
  // A minute without a change is not silence: the server gives signs of life.
  await simulation.run({ untilMs: simulation.nowMs + 60_000 });
  ok(revisions.includes(2));
  simulation.cut('control', 'agent');
  const cutAt = simulation.nowMs;
  await rejects(simulation.complete(reading), (error) => hasCode(error, 'UNAVAILABLE'));
  const silentMs = simulation.nowMs - cutAt;
  ok(silentMs > 6_000 && silentMs < 13_000, `ended after ${silentMs} ms`);
});

test('a reader that takes its time over a batch does not make its watch silent', async () => {
  const { simulation, store, view, world } = await linked(2);
  const seen: number[] = [];
  const stop = new AbortController();
  const reading = (async () => {
    for await (const batch of view.watch('/apps/', { fromRevision: 2, signal: stop.signal })) {
      seen.push(...batch.events.map(() => batch.revision));
      await world.clock.sleep(30_000);
      if (seen.length === 2) stop.abort();
    }
  })();
  for (const value of ['1', '2']) await store.transact({ compare: [], then: [{ kind: 'put', key: '/apps/a', value }] });
  await simulation.complete(reading);
  deepEqual(seen, [2, 3]);
});

test('a mirror over a network that breaks and heals ends with exactly what the store has', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const { simulation, store, view, world } = await linked(seed);
    const stop = new AbortController();
    const mirror = new Mirror<number>(world, view, { prefix: '/apps/', onChange: () => undefined });
    const running = mirror.run(stop.signal);
    for (let i = 0; i < 40; i++) {
      const [from, to] = simulation.random.integer(2) === 0 ? (['control', 'agent'] as const) : (['agent', 'control'] as const);
      if (i % 8 === 3) simulation.cut(from, to);
      if (i % 8 === 7) simulation.healAll();
      const key = `/apps/${simulation.random.integer(5)}`;
      await simulation.complete(
        store.transact({
          compare: [],
          then: [simulation.random.integer(3) === 0 ? { kind: 'delete', range: { key } } : { kind: 'put', key, value: String(i) }],
        }),
      );
      // Sometimes history goes before the other side has read it.
      if (i === 20) await simulation.complete(store.compact((await store.status()).revision));
      await simulation.run({ untilMs: simulation.nowMs + 4_000 });
    }
    simulation.healAll();
    await simulation.run({ untilMs: simulation.nowMs + 30_000 });
    const { items } = await store.list({ prefix: '/apps/' });
    deepEqual(
      [...mirror.itemsByKey.values()].map(({ key, value }) => [key, String(value)]).sort(),
      items.map(({ key, value }) => [key, value]),
      `seed ${seed}`,
    );
    stop.abort();
    await simulation.complete(running);
  }
});

test('a call over a cut network ends as TIMEOUT within its deadline', async () => {
  const { simulation, view } = await linked(3);
  simulation.cut('agent', 'control');
  const startedAt = simulation.nowMs;
  await rejects(simulation.complete(view.list('/apps/')), (error) => hasCode(error, 'TIMEOUT') || hasCode(error, 'UNAVAILABLE'));
  ok(simulation.nowMs - startedAt < 10_500);
});

test('a watch that was given up is ended at the server, too', async () => {
  const { simulation, handler, view } = await linked(4);
  const stop = new AbortController();
  const reading = (async () => {
    for await (const batch of view.watch('/apps/', { fromRevision: 2, signal: stop.signal })) ok(batch);
  })();
  await simulation.run({ untilMs: simulation.nowMs + 1_000 });
  equal(handler.watchers, 1);
  stop.abort();
  await simulation.complete(reading);
  await simulation.run({ untilMs: simulation.nowMs + 20_000 });
  equal(handler.watchers, 0);
});

test('lines are whole however the bytes are cut, and too long or cut off ones are refused', async () => {
  const bytes = toBytes('{"a":"äöü"}\n\n{"b":"€"}\n');
  for (let size = 1; size <= bytes.length; size++) {
    deepEqual(await linesIn(pieces(bytes, size), 100), [{ a: 'äöü' }, { b: '€' }], `pieces of ${size}`);
  }
  await rejects(linesIn(pieces(toBytes('{"a":'), 2), 100), (error) => hasCode(error, 'UNAVAILABLE'));
  await rejects(linesIn(pieces(toBytes(`"${'x'.repeat(200)}"\n`), 10), 100), (error) => hasCode(error, 'TOO_LARGE'));
  await rejects(linesIn(pieces(toBytes('nonsense\n'), 4), 100), (error) => hasCode(error, 'INVALID'));
});

async function linesIn(source: AsyncIterable<Uint8Array>, maxLineBytes: number): Promise<unknown[]> {
  const lines: unknown[] = [];
  for await (const line of jsonLines(source, { maxLineBytes })) lines.push(line);
  return lines;
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(size);
  for (let start = 0; start < bytes.length; start += size) {
    const piece = bytes.subarray(start, start + size);
    // One buffer again and again, as some sources do it.
    buffer.set(piece);
    yield buffer.subarray(0, piece.length);
  }
}
