import type { AnswerLatency } from './answer-latency.ts';
import { hashText } from './key-hash.ts';

/** A candidate for tests and benches of balance policies: all that policies look at, free to change. */
export class ExampleCandidate {
  readonly id: string;
  readonly hash: number;
  weight: number;
  effectiveWeight: number;
  currentWeight = 0;
  inFlight = 0;
  latency: AnswerLatency | undefined;
  stickyToken = '';

  constructor(id: string, weight = 1, latency?: AnswerLatency) {
    this.id = id;
    this.hash = hashText(id);
    this.weight = weight;
    this.effectiveWeight = weight;
    this.latency = latency;
  }
}

/** One candidate per weight: a, b, c … */
export function exampleCandidates(weights: readonly number[]): ExampleCandidate[] {
  return weights.map((weight, index) => new ExampleCandidate(String.fromCharCode(97 + index), weight));
}

/** Uniform numbers in [0, 1) from a seed (xorshift32, Marsaglia 2003). */
export function exampleLuck(seed = 1): () => number {
  let x = seed | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}
