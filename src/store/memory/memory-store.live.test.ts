import { nodeWorld } from '#world/node/node-world';
import { storeConformance } from '../conformance/store-conformance.ts';
import { MemoryStore } from './memory-store.ts';

storeConformance('memory store, this machine', async () => {
  const world = nodeWorld({ logLevel: 'error', logName: 'test' });
  const store = new MemoryStore(world);
  return { store, sleep: (delayMs) => world.clock.sleep(delayMs), [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
});
