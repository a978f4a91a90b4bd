import { deepEqual, rejects } from 'node:assert/strict';
import { test } from 'node:test';
import { toBytes } from '#base/bytes';
import { writeFileAtomic } from '#world/files';
import { Simulation } from '#world/simulated/simulation';
import type { Disk, UnixMs } from '#world/world';
import { AcmeStore } from './acme-store.ts';

const directory = 'https://ca.test/dir';

async function onDisk(body: (disk: Disk) => Promise<void>): Promise<void> {
  const simulation = new Simulation({ seed: 1, drain: () => new Promise((resolve) => setImmediate(resolve)) });
  await simulation.complete(body(simulation.host('gateway').world.disk));
}

test('an account keeps its key, each authority has its own, and one that is damaged is not replaced by a new account', () =>
  onDisk(async (disk) => {
    const { jwk } = await new AcmeStore(disk, '/acme', directory).accountKey();
    deepEqual((await new AcmeStore(disk, '/acme', directory).accountKey()).jwk, jwk);
    const other = await new AcmeStore(disk, '/acme', 'https://ca.test/other').accountKey();
    deepEqual(other.jwk.x === jwk.x, false);
    for (const folder of await disk.list('/acme')) await writeFileAtomic(disk, `/acme/${folder}/account.json`, toBytes('damaged'));
    await rejects(new AcmeStore(disk, '/acme', directory).accountKey(), { code: 'CORRUPT' });
  }));

test('what is kept of a name is what was written last; of a name never seen there is nothing', () =>
  onDisk(async (disk) => {
    const store = new AcmeStore(disk, '/acme', directory);
    deepEqual(await store.read('a.test'), {});
    const failures = { count: 1, triedAt: 1 as UnixMs, retryAt: 2 as UnixMs };
    const certificate = { chain: 'c', key: 'k', orderedAt: 1 as UnixMs };
    await store.write('a.test', { failures });
    await store.write('a.test', { certificate, failures });
    deepEqual(await store.read('a.test'), { certificate, failures });
  }));
