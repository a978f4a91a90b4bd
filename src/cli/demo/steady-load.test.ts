import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { Simulation } from '#world/simulated/simulation';
import { Meter } from './meter.ts';
import { startSteadyLoad } from './steady-load.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const STEP_MS = 10;

/** Rates tried, the rate that stays, and whether the load has ended, on a machine that answers so many requests a second in time. */
async function steadyRate(capacityPerSecond: number, leastPerSecond: number) {
  const simulation = new Simulation({ seed: 1, drain });
  const { clock } = simulation.host('machine').world;
  const meter = new Meter();
  const tried: number[] = [];
  let running = 0;
  const send = async (ratePerSecond: number, signal: AbortSignal): Promise<void> => {
    tried.push(ratePerSecond);
    running++;
    const latencyMs = ratePerSecond <= capacityPerSecond ? 5 : 900;
    while (!signal.aborted) {
      await clock.sleep(STEP_MS, signal).catch(() => undefined);
      for (let sent = 0; sent < (ratePerSecond * STEP_MS) / 1_000; sent++) meter.record({ method: 'GET', status: 200, latencyMs, reason: '' });
    }
    running--;
  };
  const starting = startSteadyLoad({
    clock,
    meter,
    wantedPerSecond: 1_000,
    leastPerSecond,
    send,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  const load = await simulation.complete(starting);
  equal(running, 1, 'one load runs');
  await simulation.complete(Promise.resolve(load[Symbol.asyncDispose]()));
  equal(running, 0, 'it ends when it is disposed of');
  return { tried, rate: load.ratePerSecond };
}

test('a machine that serves the wanted rate gets it', async () => {
  deepEqual(await steadyRate(1_500, 125), { tried: [1_000], rate: 1_000 });
});

test('a machine that falls behind while nothing happens gets half, until it keeps up', async () => {
  deepEqual(await steadyRate(300, 125), { tried: [1_000, 500, 250], rate: 250 });
});

test('the rate never goes below the least, and not at all when the wanted is the least', async () => {
  deepEqual(await steadyRate(10, 400), { tried: [1_000, 500, 400], rate: 400 });
  deepEqual(await steadyRate(10, 1_000), { tried: [1_000], rate: 1_000 });
});
