import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeWorld } from '#world/node/node-world';
import { storeConformance } from '../conformance/store-conformance.ts';
import { openSqliteStore } from './sqlite-store.ts';

storeConformance('embedded store', async () => {
  const world = nodeWorld({ logLevel: 'error', logName: 'test' });
  const directory = await mkdtemp(join(tmpdir(), 'haven-store-'));
  const store = await openSqliteStore({ world, directory });
  return {
    store,
    sleep: (delayMs) => world.clock.sleep(delayMs),
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
});
