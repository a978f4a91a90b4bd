import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { Simulation } from '#world/simulated/simulation';
import { Departure } from './departure.ts';

const preDrainMs = 5_000;
const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Seconds until no more connections are to be taken. */
async function secondsUntilDue(act: (departure: Departure, sleep: (ms: number) => Promise<void>) => Promise<void> | void): Promise<number> {
  const simulation = new Simulation({ seed: 1, drain });
  const { clock } = simulation.host('gateway').world;
  const departure = new Departure(clock);
  const going = async (): Promise<number> => {
    await act(departure, async (ms) => await clock.sleep(ms));
    const begun = clock.now();
    await departure.due;
    return Math.round((clock.now() - begun) / 1_000);
  };
  return await simulation.complete(going());
}

test('only who was asked lately whether it is ready waits before it takes no more connections, and not when another process serves (R-27)', async () => {
  const asked = await secondsUntilDue((departure) => {
    departure.noteAsked();
    departure.begin(preDrainMs);
  });
  const never = await secondsUntilDue((departure) => departure.begin(preDrainMs));
  const longAgo = await secondsUntilDue(async (departure, sleep) => {
    departure.noteAsked();
    await sleep(61_000);
    departure.begin(preDrainMs);
  });
  const succeeded = await secondsUntilDue((departure) => {
    departure.noteAsked();
    departure.succeeded();
  });
  deepEqual({ asked, never, longAgo, succeeded }, { asked: 5, never: 0, longAgo: 0, succeeded: 0 });
});
