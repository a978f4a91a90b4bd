import { exp } from '#base/elementary';
import type { Law } from '../laws.ts';

/** Mean response of M/G/1, first come first served (Pollaczek-Khinchine). */
export function meanResponseFifo(size: Law, load: number): number {
  return size.mean + ((load / size.mean) * size.secondMoment) / (2 * (1 - load));
}

/** Mean response of M/G/1 shared equally: the same for every size law, and where time slices go as the quantum shrinks. */
export function meanResponseSharing(size: Law, load: number): number {
  return size.mean / (1 - load);
}

/**
 * Mean response of M/M/1 served in turns of `quantum` with `overhead` at the start of each turn; undefined where it is not stable. A job is
 * S plus overhead for K turns, K geometric; because S is memoryless the queue length does not depend on the order, so that
 * Pollaczek-Khinchine holds for S' = S + overhead K.
 */
export function meanResponseTurns(options: {
  readonly rate: number;
  readonly mean: number;
  readonly quantum: number;
  readonly overhead: number;
}): number | undefined {
  const { rate, mean, quantum, overhead } = options;
  const still = exp(-quantum / mean);
  const done = 1 - still;
  const turns = 1 / done;
  const turnsSquared = (2 - done) / (done * done);
  const rest = mean - (quantum * still) / done;
  const together = quantum * (turnsSquared - turns) + rest * turns;
  const first = mean + overhead * turns;
  const second = 2 * mean * mean + 2 * overhead * together + overhead * overhead * turnsSquared;
  const load = rate * first;
  return load >= 1 ? undefined : first + (rate * second) / (2 * (1 - load));
}

/**
 * Mean response of M/M/1, shortest predicted job first without interruption, when a job of size x is predicted as exponential around x
 * (Mitzenmacher 2019, arXiv 1902.00732): W(y) = rate E[S²] / 2 / (1 − load(y))², load(y) = rate E[S; Y ≤ y]. Mean size 1; integrated
 * numerically over x and y on logarithmic grids.
 */
export function meanResponsePredicted(rate: number): number {
  const sizes = grid(1e-5, 45, 600);
  const guesses = grid(1e-8, 900, 900);
  let wait = 0;
  let before = 0;
  let loadBefore = 0;
  for (const { at: guess } of guesses) {
    // Chance of a guess up to this one, and the load of the jobs behind it.
    let chance = 0;
    let load = 0;
    for (const { at: size, weight } of sizes) {
      const below = weight * exp(-size) * (1 - exp(-guess / size));
      chance += below;
      load += rate * size * below;
    }
    const middle = (load + loadBefore) / 2;
    wait += (chance - before) * (rate / (1 - middle) ** 2);
    before = chance;
    loadBefore = load;
  }
  return 1 + wait / before;
}

/** Points of a logarithmic grid with their weights (midpoint rule in the logarithm). */
function grid(least: number, most: number, points: number): readonly { readonly at: number; readonly weight: number }[] {
  const ratio = (most / least) ** (1 / points);
  const cells: { at: number; weight: number }[] = [];
  for (let index = 0, from = least; index < points; index += 1, from *= ratio) cells.push({ at: from * Math.sqrt(ratio), weight: from * (ratio - 1) });
  return cells;
}
