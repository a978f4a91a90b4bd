import { deepEqual, equal } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Simulation } from '#world/simulated/simulation';
import { ARTIFACT_GRACE_MS, Artifacts, MAX_SWEPT } from './artifacts.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

interface Shelf {
  readonly artifacts: Artifacts;
  readonly put: (text: string) => Promise<string>;
  readonly here: (names: readonly string[]) => Promise<boolean[]>;
  readonly pass: (forMs: number) => Promise<void>;
}

async function shelf(run: (shelf: Shelf) => Promise<void>): Promise<void> {
  const simulation = new Simulation({ seed: 1, drain });
  const { world } = simulation.host('control');
  const artifacts = new Artifacts(world, '/artifacts');
  const done = (async () => {
    await artifacts.open();
    await run({
      artifacts,
      put: async (text) => {
        const bytes = new TextEncoder().encode(text);
        const name = `sha256-${createHash('sha256').update(bytes).digest('hex')}`;
        await artifacts.put(name, once(bytes));
        return name;
      },
      here: async (names) => {
        const files = await world.disk.list('/artifacts');
        return names.map((name) => files.includes(name));
      },
      pass: (forMs) => world.clock.sleep(forMs),
    });
  })();
  await simulation.run({ untilMs: 6 * ARTIFACT_GRACE_MS });
  await done;
}

test('an artifact goes when no release has named it for the grace time, and not before', async () => {
  await shelf(async ({ artifacts, put, here, pass }) => {
    const [kept, old] = [await put('kept'), await put('old')];
    const inUse = new Set([kept]);
    equal(await artifacts.sweep(inUse), 0);
    await pass(ARTIFACT_GRACE_MS - 1_000);
    equal(await artifacts.sweep(inUse), 0);
    await pass(2_000);
    equal(await artifacts.sweep(inUse), 1);
    deepEqual(await here([kept, old]), [true, false]);
    equal(await artifacts.sizeOf(old), undefined);
  });
});

test('one that somebody asks for or uploads again has its whole grace time again: a deploy may be about to name it', async () => {
  await shelf(async ({ artifacts, put, here, pass }) => {
    const [asked, named] = [await put('asked'), await put('named')];
    await artifacts.sweep(new Set());
    await pass(ARTIFACT_GRACE_MS - 1_000);
    await artifacts.sizeOf(asked);
    await artifacts.sweep(new Set([named]));
    await pass(2_000);
    // What was in use at the last look begins anew too.
    equal(await artifacts.sweep(new Set()), 0);
    await pass(ARTIFACT_GRACE_MS);
    equal(await artifacts.sweep(new Set()), 2);
    deepEqual(await here([asked, named]), [false, false]);
  });
});

test('a sweep is bounded, and what it left goes with the next', async () => {
  await shelf(async ({ artifacts, put, pass }) => {
    for (let index = 0; index < MAX_SWEPT + 3; index++) await put(`file ${index}`);
    await artifacts.sweep(new Set());
    await pass(ARTIFACT_GRACE_MS + 1);
    deepEqual([await artifacts.sweep(new Set()), await artifacts.sweep(new Set()), await artifacts.sweep(new Set())], [MAX_SWEPT, 3, 0]);
  });
});
