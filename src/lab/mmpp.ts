import { ln } from '#base/elementary';
import { PlatformError } from '#base/errors';
import type { Law } from './laws.ts';
import type { Uniforms } from './random-stream.ts';

/**
 * Gaps between the arrivals of a Markov-modulated Poisson process: in state i jobs arrive at `rates[i]`, for a time that is exponential with mean
 * `stays[i]`, and then the next state follows, the first after the last. A finite `mean` scales the rates until the mean gap is that. The law
 * remembers its state from one gap to the next, so each source needs one of its own.
 */
export function markovModulated(name: string, options: { readonly mean: number; readonly rates: readonly number[]; readonly stays: readonly number[] }): Law {
  const { stays } = options;
  if (options.rates.length !== stays.length || stays.length < 2) {
    throw new PlatformError('INVALID', `Cannot read law "${name}", because rates and stays must be lists of the same length, at least two`, { name });
  }
  const cycle = stays.reduce((sum, stay) => sum + stay, 0);
  const arrivals = options.rates.reduce((sum, rate, state) => sum + rate * (stays[state] as number), 0);
  if (arrivals === 0) throw new PlatformError('INVALID', `Cannot read law "${name}", because nothing would ever arrive at rates of 0`, { name });
  const scale = Number.isFinite(options.mean) ? cycle / arrivals / options.mean : 1;
  const rates = options.rates.map((rate) => rate * scale);
  const mean = cycle / (arrivals * scale);
  let state = 0;
  let left = -1;
  const sample = (random: Uniforms): number => {
    // In the long run a moment falls into each state as often as its stays are long.
    if (left < 0) {
      let place = random.next() * cycle;
      for (state = 0; state < stays.length - 1 && place >= (stays[state] as number); state += 1) place -= stays[state] as number;
      left = -(stays[state] as number) * ln(random.positive());
    }
    for (let gap = 0; ; ) {
      const rate = rates[state] as number;
      const wait = rate === 0 ? Number.POSITIVE_INFINITY : -ln(random.positive()) / rate;
      if (wait <= left) {
        left -= wait;
        return gap + wait;
      }
      gap += left;
      state = (state + 1) % stays.length;
      left = -(stays[state] as number) * ln(random.positive());
    }
  };
  return { name, mean, secondMoment: secondMomentOf(rates, stays, mean), sample };
}

/**
 * E[gap²] as an arrival sees it: 2 φ M² 1, with φ the state after an arrival and M = (-D0)⁻¹, where D0 holds the rates at which the state
 * changes without an arrival (Fischer and Meier-Hellstern, The Markov-modulated Poisson process cookbook, 1993).
 */
function secondMomentOf(rates: readonly number[], stays: readonly number[], mean: number): number {
  const cycle = stays.reduce((sum, stay) => sum + stay, 0);
  const once = timesInverse(
    rates,
    stays,
    rates.map(() => 1),
  );
  const twice = timesInverse(rates, stays, once);
  return rates.reduce((sum, rate, state) => sum + 2 * rate * mean * ((stays[state] as number) / cycle) * (twice[state] as number), 0);
}

/** Solves (-D0) x = b: (rate + 1/stay) x[i] - x[i+1]/stay = b[i], around the cycle. */
function timesInverse(rates: readonly number[], stays: readonly number[], b: readonly number[]): readonly number[] {
  // x[i] = offset + factor · x[0], from the last state backwards.
  const offsets = new Array<number>(rates.length + 1).fill(0);
  const factors = new Array<number>(rates.length + 1).fill(1);
  for (let state = rates.length - 1; state >= 0; state -= 1) {
    const leave = 1 / (stays[state] as number);
    const all = (rates[state] as number) + leave;
    offsets[state] = ((b[state] as number) + leave * (offsets[state + 1] as number)) / all;
    factors[state] = (leave * (factors[state + 1] as number)) / all;
  }
  const first = (offsets[0] as number) / (1 - (factors[0] as number));
  return rates.map((_, state) => (offsets[state] as number) + (factors[state] as number) * first);
}
