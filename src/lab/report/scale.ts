import { exp, ln } from '#base/elementary';

/** Maps values to pixels, with the values worth a tick. */
export interface Scale {
  readonly kind: 'linear' | 'log';
  readonly ticks: readonly number[];
  /** In pixels; values outside the domain are clamped to its ends. */
  at(value: number): number;
}

export interface ScaleOptions {
  readonly kind: Scale['kind'];
  readonly domain: readonly [least: number, most: number];
  readonly range: readonly [from: number, to: number];
}

const LN_10 = ln(10);
const MOST_TICKS = 7;

export function makeScale({ kind, domain, range }: ScaleOptions): Scale {
  const [from, to] = range;
  if (kind === 'linear') {
    const [least, most] = domain[1] > domain[0] ? domain : [domain[0], domain[0] + 1];
    return { kind, ticks: linearTicks(least, most), at: (value) => from + ((to - from) * (clamp(value, least, most) - least)) / (most - least) };
  }
  const least = Math.max(domain[0], 1e-9);
  const most = Math.max(domain[1], least * 1.0001);
  const [low, high] = [ln(least), ln(most)];
  return { kind, ticks: logTicks(least, most), at: (value) => from + ((to - from) * (ln(clamp(value, least, most)) - low)) / (high - low) };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

function linearTicks(least: number, most: number): readonly number[] {
  const rough = (most - least) / (MOST_TICKS - 1);
  const decade = powerOfTen(Math.floor(ln(rough) / LN_10 + 1e-9));
  const step = [1, 2, 5, 10].map((part) => part * decade).find((one) => one >= rough * 0.999) ?? 10 * decade;
  const ticks: number[] = [];
  for (let index = Math.ceil(least / step - 1e-9); index * step <= most * (1 + 1e-9); index += 1) ticks.push(Number((index * step).toPrecision(12)));
  return ticks;
}

function logTicks(least: number, most: number): readonly number[] {
  const first = Math.floor(ln(least) / LN_10 + 1e-9);
  const last = Math.ceil(ln(most) / LN_10 - 1e-9);
  const decades = last - first;
  const steps = decades <= 2 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil(decades / MOST_TICKS));
  const ticks: number[] = [];
  for (let exponent = first; exponent <= last; exponent += every) {
    for (const step of steps) {
      const tick = Number((step * powerOfTen(exponent)).toPrecision(12));
      if (tick >= least * 0.999 && tick <= most * 1.001) ticks.push(tick);
    }
  }
  return ticks;
}

function powerOfTen(exponent: number): number {
  return Number(exp(exponent * LN_10).toPrecision(12));
}
