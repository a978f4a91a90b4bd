import { PlatformError } from '#base/errors';
import type { Clock } from '#world/world';
import type { Meter } from './meter.ts';

const WARM_UP_MS = 2_000;
const TRIAL_MS = 3_000;
/** A machine that needs this long for half of the requests, while nothing happens, has nothing left for what is going to happen. */
const STEADY_P50_MS = 50;
const STEADY_SHARE = 0.9;

/** A load under way; disposing of it ends it and waits for its last answers. */
export interface SteadyLoad extends AsyncDisposable {
  readonly ratePerSecond: number;
}

export interface SteadyLoadOptions {
  readonly clock: Clock;
  readonly meter: Meter;
  readonly wantedPerSecond: number;
  /** Not below this, whatever the machine does. */
  readonly leastPerSecond: number;
  /** Sends at this rate until the signal aborts. */
  readonly send: (ratePerSecond: number, signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

/**
 * Sends at the wanted rate, or at half of it, a quarter and so on where the machine, with what else runs on it, falls behind even while nothing happens:
 * what failed then would tell of the machine only.
 */
export async function startSteadyLoad(options: SteadyLoadOptions): Promise<SteadyLoad> {
  const { wantedPerSecond, leastPerSecond, onProgress } = options;
  let ratePerSecond = wantedPerSecond;
  while (true) {
    const load = startLoad(options, ratePerSecond);
    try {
      if (await isSteady(options, ratePerSecond)) return load;
    } catch (error) {
      await load[Symbol.asyncDispose]();
      throw error;
    }
    const slower = Math.max(leastPerSecond, Math.floor(ratePerSecond / 2));
    if (slower >= ratePerSecond) return load;
    await load[Symbol.asyncDispose]();
    onProgress(`This machine does not serve ${ratePerSecond} requests/s now, even while nothing happens; going on with ${slower}`);
    ratePerSecond = slower;
  }
}

function startLoad({ send, signal }: SteadyLoadOptions, ratePerSecond: number): SteadyLoad {
  const stop = new AbortController();
  const sending = send(ratePerSecond, AbortSignal.any([signal, stop.signal]));
  return {
    ratePerSecond,
    async [Symbol.asyncDispose]() {
      stop.abort(new PlatformError('ABORTED', 'The load is over'));
      await sending;
    },
  };
}

async function isSteady({ clock, meter, signal }: SteadyLoadOptions, ratePerSecond: number): Promise<boolean> {
  await clock.sleep(WARM_UP_MS, signal);
  meter.openWindow();
  await clock.sleep(TRIAL_MS, signal);
  const { requests, p50Ms } = meter.closeWindow();
  return p50Ms <= STEADY_P50_MS && requests >= STEADY_SHARE * ratePerSecond * (TRIAL_MS / 1_000);
}
