import { PlatformError } from './errors.ts';

const UNIT_BYTES = { '': 1, B: 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, k: 1e3, M: 1e6, G: 1e9, T: 1e12 } as const;
const SIZE = /^(\d+(?:\.\d+)?)(B|Ki|Mi|Gi|Ti|k|M|G|T)$/;

/** Parses `'512Mi'`, `'1.5Gi'`, `'10G'`, `'100B'` to bytes. INVALID for anything else, a bare number included. */
export function parseSizeBytes(text: string): number {
  const match = SIZE.exec(text);
  if (!match) {
    throw new PlatformError(
      'INVALID',
      `Cannot read "${text}" as a size, because it is not a number with a unit (B, Ki, Mi, Gi, Ti, k, M, G, T), such as "512Mi"`,
      { text },
    );
  }
  return Math.round(Number(match[1]) * UNIT_BYTES[match[2] as keyof typeof UNIT_BYTES]);
}

/** A size for people, in binary units with at most one decimal: `'512Mi'`, `'1.5Gi'`. */
export function formatSize(sizeBytes: number): string {
  for (const unit of ['Ti', 'Gi', 'Mi', 'Ki'] as const) {
    if (sizeBytes >= UNIT_BYTES[unit]) return `${Number((sizeBytes / UNIT_BYTES[unit]).toFixed(1))}${unit}`;
  }
  return `${sizeBytes}B`;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** UTF-8 bytes of a text. */
export function toBytes(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** The text of UTF-8 bytes. Throws TypeError on bytes that are not UTF-8. */
export function toText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Order of two byte strings, as in etcd: bytewise, a prefix before what it prefixes. Negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
