import { setImmediate } from 'node:timers/promises';
import { Simulation } from '#world/simulated/simulation';
import { storeConformance } from '../conformance/store-conformance.ts';
import { MemoryStore } from './memory-store.ts';

storeConformance('memory store, simulated', async () => {
  const simulation = new Simulation({ seed: 1, drain: setImmediate, maxDrift: 0.01 });
  const store = new MemoryStore(simulation.host('store').world);
  const sleep = async (delayMs: number) => void (await simulation.run({ untilMs: simulation.nowMs + delayMs }));
  return { store, sleep, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
});
