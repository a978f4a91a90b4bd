/** Jain's index of fairness: (sum x)² / (n sum x²); 1 when all are equal, 1/n when one has everything (Jain, Chiu, Hawe 1984). */
export function jainIndex(values: readonly number[]): number {
  let sum = 0;
  let squares = 0;
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  return squares === 0 ? 1 : (sum * sum) / (values.length * squares);
}
