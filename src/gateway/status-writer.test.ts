import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { parseName } from '#base/name';
import { keyOf } from '#model/keys';
import type { GatewayStatus } from '#model/route';
import { Simulation } from '#world/simulated/simulation';
import { MemoryView } from './memory-view.ts';
import { GATEWAY_LEASE_MS, StatusWriter } from './status-writer.ts';

const NAME = parseName('gateway-1', 'a gateway');
const KEY = keyOf.gateway(NAME);
const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const loopback = { host: '127.0.0.1', port: 7780 };

function statusAt(appliedRevision: number): GatewayStatus {
  return { name: NAME, address: loopback, adminAddress: loopback, pid: 1, appliedRevision, backends: {} };
}

function setUp() {
  const simulation = new Simulation({ seed: 11, drain });
  const view = new MemoryView();
  const ending = new AbortController();
  const said = { applied: 1, leasesLost: 0 };
  const writer = new StatusWriter(simulation.host('gateway').world, view, {
    status: () => statusAt(said.applied),
    routesFresh: async () => undefined,
    onLeaseLost: () => {
      said.leasesLost++;
    },
  });
  const running = writer.run(ending.signal);
  return {
    view,
    writer,
    apply(revision: number): void {
      said.applied = revision;
      writer.ring();
    },
    applied: () => view.read<GatewayStatus>(KEY)?.appliedRevision,
    lease: () => view.items.get(KEY)?.lease,
    leasesLost: () => said.leasesLost,
    forMs: async (durationMs: number) => {
      await simulation.run({ untilMs: simulation.nowMs + durationMs });
    },
    async end() {
      ending.abort();
      await simulation.complete(running);
    },
  };
}

test('a report that arrives late does not overwrite a newer one', async () => {
  const { view, apply, applied, forMs, end } = setUp();
  await forMs(100);
  const arrives = view.holdNextWrite();
  apply(5);
  // Longer than the writer waits for an answer.
  await forMs(5_000);
  apply(9);
  await forMs(5_000);
  equal(applied(), 9);
  arrives();
  await forMs(5_000);
  equal(applied(), 9);
  await end();
});

test('a report whose answer was lost is known by the next one, which is written', async () => {
  const { view, apply, applied, forMs, end } = setUp();
  await forMs(100);
  const arrives = view.holdNextWrite();
  apply(5);
  await forMs(3_500);
  arrives();
  await forMs(1);
  equal(applied(), 5);
  apply(9);
  await forMs(1_000);
  equal(applied(), 9);
  await end();
});

test("what another life of the gateway left under its lease is taken over, and is gone with the new life's lease", async () => {
  const { view, applied, lease, forMs, end } = setUp();
  view.put(KEY, statusAt(77));
  await forMs(100);
  deepEqual([applied(), lease()], [1, 'lease-1']);
  await end();
  equal(applied(), undefined);
});

test('after a lost lease the report is written anew under the new one', async () => {
  const { view, applied, lease, leasesLost, forMs, end } = setUp();
  await forMs(100);
  view.expireLeases();
  equal(applied(), undefined);
  await forMs(GATEWAY_LEASE_MS);
  deepEqual([applied(), lease(), leasesLost()], [1, 'lease-2', 1]);
  await end();
});

test('a neighbour whose name begins the same is not taken for this gateway', async () => {
  const { view, applied, forMs, end } = setUp();
  view.put(`${KEY}0`, statusAt(50));
  const revision = view.put(KEY, statusAt(77));
  view.put(`${KEY}1`, statusAt(51));
  equal(view.items.get(KEY)?.modRevision, revision);
  await forMs(100);
  equal(applied(), 1);
  await end();
});
