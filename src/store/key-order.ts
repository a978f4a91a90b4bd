import { PlatformError } from '#base/errors';
import type { KeyRange } from './store.ts';

/** Order of two keys by their UTF-8 bytes, which is the order of their code points: negative, zero or positive. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const unitA = a.charCodeAt(i);
    const unitB = b.charCodeAt(i);
    if (unitA !== unitB) return rank(unitA) - rank(unitB);
  }
  return a.length - b.length;
}

// Half of a surrogate pair (D800 … DFFF) stands for a code point above every other UTF-16 unit, E000 … FFFF included.
function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}

export function isInRange(range: KeyRange, key: string): boolean {
  if ('key' in range) return key === range.key;
  if ('prefix' in range) return key.startsWith(range.prefix);
  return compareKeys(key, range.from) >= 0 && compareKeys(key, range.before) < 0;
}

/** INVALID for a range that names the empty key. */
export function checkRange(range: KeyRange): void {
  if ('key' in range) checkKey(range.key);
}

/** INVALID for a key that is empty or has no UTF-8 form. */
export function checkKey(key: string): void {
  if (key === '') throw new PlatformError('INVALID', 'Cannot use an empty key');
  if (!key.isWellFormed()) {
    throw new PlatformError('INVALID', `Cannot use the key ${JSON.stringify(key.slice(0, 60))}, because it has no UTF-8 form`);
  }
}
