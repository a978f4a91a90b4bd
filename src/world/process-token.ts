import type { Random } from './world.ts';

const tokenBytes = 16;

/** A token that no other process ever has: 32 hexadecimal digits. */
export function newProcessToken(random: Random): string {
  return [...random.bytes(tokenBytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
