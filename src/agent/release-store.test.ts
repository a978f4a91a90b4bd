import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { PlatformError } from '#base/errors';
import { Simulation } from '#world/simulated/simulation';
import type { World } from '#world/world';
import { AgentFolders } from './folders.ts';
import { PrepareFailure } from './prepare-failure.ts';
import { ReleaseStore } from './release-store.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const { signal } = new AbortController();
const folders = new AgentFolders('/node');

const bytesOf = (name: string): Uint8Array => new TextEncoder().encode(`archive ${name}`);
const artifactOf = (name: string): string => `sha256-${createHash('sha256').update(bytesOf(name)).digest('hex')}`;

interface Rig {
  readonly simulation: Simulation;
  readonly world: World;
  readonly store: ReleaseStore;
  readonly opened: string[];
  /** Failures of the source to come. */
  failures: number;
  refusal: PlatformError | undefined;
}

function rig(names: readonly string[]): Rig {
  const simulation = new Simulation({ seed: 1, drain });
  const { world } = simulation.host('machine');
  const made: Rig = {
    simulation,
    world,
    opened: [],
    failures: 0,
    refusal: undefined,
    store: new ReleaseStore(world, {
      folders,
      path: '/bin',
      artifacts: {
        open: async (artifact) => {
          made.opened.push(artifact);
          await world.clock.sleep(10);
          if (made.failures-- > 0) throw new PlatformError('UNAVAILABLE', 'Nobody is there');
          const name = names.find((one) => artifactOf(one) === artifact) ?? 'other';
          return (async function* () {
            yield bytesOf(name);
          })();
        },
      },
      unpack: async (_archive, folder) => {
        if (made.refusal) throw made.refusal;
        await world.disk.makeDirectory(folder);
      },
    }),
  };
  return made;
}

const options = { timeoutMs: 30_000, onReason: () => {}, signal };

test('an artifact is fetched once, however many want it, and after failures of its source', async () => {
  const one = rig(['a']);
  one.failures = 2;
  await one.simulation.complete(Promise.all([1, 2, 3].map(() => one.store.fetch(artifactOf('a'), options))));
  assert.equal(one.opened.length, 3, 'two failures, one success, and nothing for those who waited');
  assert.equal(await one.simulation.complete(one.store.has(artifactOf('a'), undefined)), true);
  assert.deepEqual(await one.simulation.complete(one.world.disk.list('/node/releases')), [artifactOf('a')]);
});

test('an archive that is refused is not fetched again, and leaves nothing', async () => {
  const one = rig(['a']);
  one.refusal = new PlatformError('INVALID', 'Cannot take "../x" of the archive, because its path leaves the folder by ".."');
  await assert.rejects(
    one.simulation.complete(one.store.fetch(artifactOf('a'), options)),
    (error) => error instanceof PrepareFailure && /"\.\.\/x"/.test(error.message),
  );
  assert.equal(one.opened.length, 1);
  assert.deepEqual(await one.simulation.complete(one.world.disk.list('/node/releases')), []);
});

test('releases in use and the last three others are kept, with their markers', async () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const one = rig(names);
  for (const name of names) {
    await one.simulation.complete(one.store.fetch(artifactOf(name), options));
    await one.simulation.run({ untilMs: one.simulation.nowMs + 1_000 });
  }
  const marker = `${folders.release(artifactOf('b'))}.installed-0`;
  await one.simulation.complete(one.world.disk.open(marker, 'create').then((file) => file[Symbol.asyncDispose]()));
  await one.simulation.complete(one.store.sweep(new Set([artifactOf('a')])));
  const kept = await one.simulation.complete(one.world.disk.list('/node/releases'));
  assert.deepEqual(kept, ['a', 'd', 'e', 'f'].map(artifactOf).sort());
});

test('what an earlier agent left half fetched is removed', async () => {
  const one = rig(['a']);
  await one.simulation.complete(one.world.disk.makeDirectory('/node/releases/new-0123/files'));
  await one.simulation.complete(one.store.recover());
  assert.deepEqual(await one.simulation.complete(one.world.disk.list('/node/releases')), []);
});
