import { exp, ln, normalQuantile, power } from '#base/elementary';
import { PlatformError } from '#base/errors';
import type { OptionKind } from '#policy/policy-string';
import { listOption, numberOption, orUnlimited, parsePolicyString, printPolicyString, readOptions } from '#policy/policy-string';
import { markovModulated } from './mmpp.ts';
import type { Uniforms } from './random-stream.ts';

/** A distribution of positive amounts, in the unit of its parameters. */
export interface Law {
  /** The string it was read from. */
  readonly name: string;
  readonly mean: number;
  /** E[X²], where a formula needs it. */
  readonly secondMoment: number;
  sample(random: Uniforms): number;
  /** The same law from one uniform number in [0, 1), monotonously in each of its branches, so that it can be stratified; absent where there is no such form. */
  readonly fromUniform?: (uniform: number) => number;
}

const positive = (fallback: number): OptionKind<number> => numberOption(fallback, { least: 1e-9 });

const KINDS = {
  exp: { mean: positive(1) },
  det: { mean: positive(1) },
  uniform: { low: numberOption(0, { least: 0 }), high: positive(2) },
  erlang: { k: numberOption(2, { least: 1, most: 1_000 }), mean: positive(1) },
  h2: { mean: positive(1), scv: numberOption(4, { least: 1 }) },
  bpareto: { low: positive(1), high: positive(1_000), alpha: numberOption(1.5, { least: 0.01 }) },
  weibull: { shape: numberOption(0.5, { least: 0.05 }), mean: positive(1) },
  lognormal: { mean: positive(1), scv: numberOption(4, { least: 0.000001 }) },
  mmpp: {
    mean: orUnlimited(positive(Number.POSITIVE_INFINITY), 'stated'),
    rates: listOption(numberOption(0, { least: 0 }), [0.4, 4]),
    stays: listOption(positive(1), [90, 10]),
  },
  empirical: { values: listOption(numberOption(0, { least: 0 }), [1]) },
} as const;

/** The names of the laws, for help and errors. */
export const LAW_NAMES: readonly string[] = Object.keys(KINDS);

/** Reads a law: `exp?mean=1`, `bpareto?low=1&high=1000&alpha=1.5`, `h2?mean=1&scv=4`. INVALID says what is wrong. */
export function parseLaw(text: string): Law {
  const given = parsePolicyString(text);
  const name = printPolicyString(given);
  switch (given.name) {
    case 'exp': {
      const { mean } = readOptions(given, KINDS.exp);
      return {
        name,
        mean,
        secondMoment: 2 * mean * mean,
        sample: (random) => -mean * ln(random.positive()),
        fromUniform: (uniform) => -mean * ln(1 - uniform),
      };
    }
    case 'det': {
      const { mean } = readOptions(given, KINDS.det);
      return { name, mean, secondMoment: mean * mean, sample: () => mean };
    }
    case 'uniform': {
      const { low, high } = readOptions(given, KINDS.uniform);
      if (high <= low) throw new PlatformError('INVALID', `Cannot read law "${text}", because high must be above low`, { text });
      const fromUniform = (uniform: number): number => low + (high - low) * uniform;
      return {
        name,
        mean: (low + high) / 2,
        secondMoment: (low * low + low * high + high * high) / 3,
        sample: (random) => fromUniform(random.next()),
        fromUniform,
      };
    }
    case 'erlang':
      return erlang(name, readOptions(given, KINDS.erlang));
    case 'h2':
      return hyperExponential(name, readOptions(given, KINDS.h2));
    case 'bpareto':
      return boundedPareto(name, readOptions(given, KINDS.bpareto));
    case 'weibull':
      return weibull(name, readOptions(given, KINDS.weibull));
    case 'lognormal': {
      const { mean, scv } = readOptions(given, KINDS.lognormal);
      const variance = ln(1 + scv);
      const location = ln(mean) - variance / 2;
      const deviation = Math.sqrt(variance);
      const fromUniform = (uniform: number): number => exp(location + deviation * normalQuantile(1 - uniform));
      return { name, mean, secondMoment: mean * mean * (1 + scv), sample: (random) => fromUniform(random.next()), fromUniform };
    }
    case 'mmpp':
      return markovModulated(name, readOptions(given, KINDS.mmpp));
    case 'empirical':
      return empirical(name, readOptions(given, KINDS.empirical).values);
    default:
      throw new PlatformError('INVALID', `Cannot read law "${text}", because there is no law "${given.name}"; there are ${LAW_NAMES.join(', ')}`, { text });
  }
}

/** Draws uniformly from recorded values. */
export function empirical(name: string, values: readonly number[]): Law {
  let sum = 0;
  let squares = 0;
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  return {
    name,
    mean: sum / values.length,
    secondMoment: squares / values.length,
    sample: (random) => values[random.integer(values.length)] as number,
  };
}

function erlang(name: string, { k, mean }: { readonly k: number; readonly mean: number }): Law {
  const stage = mean / k;
  return {
    name,
    mean,
    secondMoment: mean * mean * (1 + 1 / k),
    sample: (random) => {
      let product = 1;
      for (let index = 0; index < k; index += 1) product *= random.positive();
      return -stage * ln(product);
    },
  };
}

/** Two exponential branches with balanced means: each brings half of the load. */
function hyperExponential(name: string, { mean, scv }: { readonly mean: number; readonly scv: number }): Law {
  const first = (1 + Math.sqrt((scv - 1) / (scv + 1))) / 2;
  const firstMean = mean / (2 * first);
  const secondMean = mean / (2 * (1 - first));
  return {
    name,
    mean,
    secondMoment: mean * mean * (1 + scv),
    sample: (random) => (random.next() < first ? -firstMean : -secondMean) * ln(random.positive()),
    fromUniform: (uniform) => (uniform < first ? -firstMean * ln(1 - uniform / first) : -secondMean * ln(1 - (uniform - first) / (1 - first))),
  };
}

function boundedPareto(name: string, { low, high, alpha }: { readonly low: number; readonly high: number; readonly alpha: number }): Law {
  if (high <= low) throw new PlatformError('INVALID', `Cannot read law "${name}", because high must be above low`, { name });
  const ratio = power(low / high, alpha);
  const moment = (order: number): number => {
    const scale = (alpha * power(low, order)) / (1 - ratio);
    if (Math.abs(order - alpha) < 1e-12) return scale * ln(high / low);
    return (scale * (1 - power(low / high, alpha - order))) / (alpha - order);
  };
  const inverse = -1 / alpha;
  const fromUniform = (uniform: number): number => low * exp(inverse * ln(1 - uniform * (1 - ratio)));
  return { name, mean: moment(1), secondMoment: moment(2), sample: (random) => fromUniform(random.next()), fromUniform };
}

function weibull(name: string, { shape, mean }: { readonly shape: number; readonly mean: number }): Law {
  const scale = mean / gamma(1 + 1 / shape);
  const fromUniform = (uniform: number): number => scale * power(-ln(1 - uniform) + 1e-300, 1 / shape);
  return { name, mean, secondMoment: scale * scale * gamma(1 + 2 / shape), sample: (random) => fromUniform(random.next()), fromUniform };
}

const LANCZOS = [
  0.9999999999998099, 676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905, -0.13857109526572012,
  9.984369578019572e-6, 1.5056327351493116e-7,
] as const;

/** The gamma function for arguments of at least 1 (Lanczos). */
function gamma(value: number): number {
  const x = value - 1;
  const t = x + 7.5;
  let sum: number = LANCZOS[0];
  for (let index = 1; index < LANCZOS.length; index += 1) sum += (LANCZOS[index] as number) / (x + index);
  return Math.sqrt(2 * Math.PI) * exp((x + 0.5) * ln(t) - t) * sum;
}
