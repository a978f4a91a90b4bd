import { drain } from '#world/node/drain';
import { nodeWorld } from '#world/node/node-world';
import { Simulation } from '#world/simulated/simulation';
import { storeConformance } from '../conformance/store-conformance.ts';
import { MemoryStore } from './memory-store.ts';

storeConformance('memory store, this machine', async () => {
  const world = nodeWorld({ logLevel: 'error', logName: 'test' });
  const store = new MemoryStore(world);
  return { store, sleep: (delayMs) => world.clock.sleep(delayMs), [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
});

storeConformance('memory store, simulated', async () => {
  const simulation = new Simulation({ seed: 1, drain, maxDrift: 0.01 });
  const store = new MemoryStore(simulation.host('store').world);
  const sleep = async (delayMs: number) => void (await simulation.run({ untilMs: simulation.nowMs + delayMs }));
  return { store, sleep, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
});
