// Logarithm, exponential and power from the four exact operations only. The language leaves the last digits of Math.log, Math.exp and
// Math.pow to each engine; experiments must give the same bytes on every version of Node.

const LN_2_HIGH = 0.6931471803691238;
const LN_2_LOW = 1.9082149292705877e-10;
const INVERSE_LN_2 = Math.LOG2E;
const bits = new Float64Array(1);
const words = new Uint32Array(bits.buffer);
const HIGH_WORD = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0;

/** Natural logarithm of a positive normal number, to about one unit in the last place (polynomial of fdlibm's e_log). */
export function ln(value: number): number {
  bits[0] = value;
  const high = words[HIGH_WORD] as number;
  let exponent = (high >>> 20) - 1_023;
  words[HIGH_WORD] = (high & 0xfffff) | 0x3ff00000;
  let mantissa = bits[0] as number;
  if (mantissa > Math.SQRT2) {
    mantissa *= 0.5;
    exponent += 1;
  }
  // ln m = 2 artanh s with s = (m - 1) / (m + 1), |s| < 0.172.
  const f = mantissa - 1;
  const s = f / (2 + f);
  const z = s * s;
  const series =
    z *
    (0.6666666666666735 +
      z *
        (0.3999999999940942 +
          z * (0.2857142874366239 + z * (0.22222198432149784 + z * (0.1818357216161805 + z * (0.15313837699209373 + z * 0.14798198605116586))))));
  const half = 0.5 * f * f;
  return exponent * LN_2_HIGH - (half - (s * (half + series) + exponent * LN_2_LOW) - f);
}

/** e to the power of a number, to about one unit in the last place (polynomial of fdlibm's e_exp). */
export function exp(value: number): number {
  if (value > 709.7) return Number.POSITIVE_INFINITY;
  if (value < -708) return 0;
  const exponent = Math.floor(value * INVERSE_LN_2 + 0.5);
  const high = value - exponent * LN_2_HIGH;
  const low = exponent * LN_2_LOW;
  const r = high - low;
  const z = r * r;
  const c =
    r - z * (0.16666666666666602 + z * (-0.0027777777777015593 + z * (6.613756321437934e-5 + z * (-1.6533902205465252e-6 + z * 4.1381367970572385e-8))));
  const y = 1 - (low - (r * c) / (2 - c) - high);
  words[HIGH_WORD] = (exponent + 1_023) << 20;
  words[1 - HIGH_WORD] = 0;
  return y * (bits[0] as number);
}

/** A positive base to any power. */
export function power(base: number, exponent: number): number {
  return exp(exponent * ln(base));
}

/** The inverse of the standard normal distribution (Acklam's rational approximation, relative error below 1.2e-9). */
export function normalQuantile(probability: number): number {
  if (probability <= 0) return Number.NEGATIVE_INFINITY;
  if (probability >= 1) return Number.POSITIVE_INFINITY;
  const tail = Math.min(probability, 1 - probability);
  if (tail < 0.02425) {
    const q = Math.sqrt(-2 * ln(tail));
    const top =
      ((((-0.007784894002430293 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) * q + 4.374664141464968) * q + 2.938163982698783;
    const value = top / ((((0.007784695709041462 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) * q + 1);
    return probability < 0.5 ? value : -value;
  }
  const q = probability - 0.5;
  const r = q * q;
  const top = ((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r - 30.66479806614716) * r + 2.506628277459239;
  return (top * q) / (((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r - 13.28068155288572) * r + 1);
}
