import { PlatformError } from '#base/errors';
import { parseLaw } from '#lab/laws';
import { parsePolicyString } from '#policy/policy-string';

/** `poisson?rate=0.8` as the law of gaps, or a law of gaps itself. */
export function gapsOfArrivals(text: string): string {
  const arrivals = parsePolicyString(text);
  if (arrivals.name !== 'poisson') {
    const rate = arrivals.options.get('rate');
    if (rate === undefined) return parseLaw(text).name;
    const others = [...arrivals.options].filter(([key]) => key !== 'rate').map(([key, value]) => `&${key}=${value}`);
    return parseLaw(`${arrivals.name}?mean=${meanOfRate(rate)}${others.join('')}`).name;
  }
  const rate = arrivals.options.get('rate') ?? '';
  if (arrivals.options.size !== 1 || rate === '')
    throw new PlatformError('INVALID', `Cannot use --arrivals ${text}, because poisson needs exactly rate, such as poisson?rate=0.8`, { text });
  return `exp?mean=${meanOfRate(rate)}`;
}

function meanOfRate(rate: string): string {
  const value = Number(rate);
  if (!(value > 0 && Number.isFinite(value)))
    throw new PlatformError('INVALID', `Cannot use an arrival rate of "${rate}", because it must be a number above 0`, { rate });
  return (1 / value).toPrecision(17).includes('e') ? (1 / value).toFixed(12) : (1 / value).toPrecision(17);
}
