/** A short label of a tick: `100 ms`, `2 min`, `3 h`, `1k`. */
export function printTick(value: number, unit: 's' | ''): string {
  if (unit === '') return plain(value);
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 0.001) return `${plain(value * 1e6)} µs`;
  if (size < 1) return `${plain(value * 1e3)} ms`;
  return `${plain(value)} s`;
}

/** A part of one as a percentage. */
export function printPart(value: number): string {
  return `${plain(100 * value)} %`;
}

function plain(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(4)));
}
