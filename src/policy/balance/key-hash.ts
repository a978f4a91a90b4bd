// FNV-1a, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/): one multiplication per byte.
const fnvSeed = 0x811c9dc5;
const fnvPrime = 0x01000193;

/** Hash of a text by its low bytes, the same in every process. Not against those who look for collisions: they would only share their own backend. */
export function hashText(text: string): number {
  let hash = fnvSeed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ (text.charCodeAt(i) & 0xff), fnvPrime);
  return hash >>> 0;
}

/** The same of bytes `[from, end)`. */
export function hashBytes(bytes: Uint8Array, from: number, end: number): number {
  let hash = fnvSeed;
  for (let i = from; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), fnvPrime);
  return hash >>> 0;
}

/** Spreads two hashes over all 32 bits: the finalizer of MurmurHash3 (Appleby 2011) after each. Uniform in [0, 2³²). */
export function mixHashes(a: number, b: number): number {
  return finalize(finalize(a) ^ b);
}

function finalize(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
