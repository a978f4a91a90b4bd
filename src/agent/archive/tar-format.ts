/**
 * Blocks and headers of tar archives: POSIX.1-2017 "pax Interchange Format" (https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html)
 * with the long names of GNU tar.
 */
import { PlatformError } from '#base/errors';

export const BLOCK_BYTES = 512;

export interface TarHeader {
  readonly path: string;
  readonly type: string;
  readonly mode: number;
  readonly sizeBytes: number;
  /** Of links. */
  readonly target: string;
}

const NAME = { at: 0, length: 100 };
const MODE = { at: 100, length: 8 };
const SIZE = { at: 124, length: 12 };
const CHECKSUM = { at: 148, length: 8 };
const TYPE = { at: 156, length: 1 };
const TARGET = { at: 157, length: 100 };
const MAGIC = { at: 257, length: 6 };
const PREFIX = { at: 345, length: 155 };

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const space = 0x20;

/** Number of zero bytes that fill the last block of a body. */
export function paddingOf(sizeBytes: number): number {
  return (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES;
}

/** The header in a block, or `undefined` if it is the zero block that ends an archive. INVALID if it is neither. */
export function parseHeader(block: Uint8Array): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  if (numberAt(block, CHECKSUM) !== checksumOf(block))
    throw new PlatformError('INVALID', 'Cannot read the archive, because it is not a tar archive or is damaged');
  const isUstar = textAt(block, MAGIC).startsWith('ustar');
  const prefix = isUstar && textAt(block, MAGIC) === 'ustar' ? textAt(block, PREFIX) : '';
  const name = textAt(block, NAME);
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    type: String.fromCharCode(block[TYPE.at] ?? 0).replace('\0', '0'),
    mode: numberAt(block, MODE),
    sizeBytes: numberAt(block, SIZE),
    target: textAt(block, TARGET),
  };
}

/** The blocks before a body: one header, and one with its own body before it when a name does not fit. The same input gives the same bytes: no times, no owners. */
export function makeHeader(header: TarHeader): Uint8Array {
  const records = [...(fits(header.path) ? [] : [paxRecord('path', header.path)]), ...(fits(header.target) ? [] : [paxRecord('linkpath', header.target)])];
  const main = block(header);
  if (records.length === 0) return main;
  const body = encoder.encode(records.join(''));
  const head = block({ path: 'pax', type: 'x', mode: 0o644, sizeBytes: body.length, target: '' });
  const bytes = new Uint8Array(head.length + body.length + paddingOf(body.length) + main.length);
  bytes.set(head);
  bytes.set(body, head.length);
  bytes.set(main, bytes.length - main.length);
  return bytes;
}

/** Keys and values of a pax header's body. INVALID if it is malformed. */
export function parsePax(body: Uint8Array): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (let at = 0; at < body.length; ) {
    const gap = body.indexOf(space, at);
    const digits = gap < 0 ? '' : decoder.decode(body.subarray(at, gap));
    const length = /^\d{1,6}$/.test(digits) ? Number(digits) : 0;
    const record = decoder.decode(body.subarray(gap + 1, at + length));
    const equals = record.indexOf('=');
    if (length <= digits.length + 1 || at + length > body.length || equals < 0 || !record.endsWith('\n')) {
      throw new PlatformError('INVALID', 'Cannot read the archive, because one of its extended headers is malformed');
    }
    values.set(record.slice(0, equals), record.slice(equals + 1, -1));
    at += length;
  }
  return values;
}

function fits(text: string): boolean {
  return text.length <= NAME.length && /^[\x20-\x7e]*$/.test(text);
}

function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const restBytes = encoder.encode(rest).length;
  // The length counts its own digits.
  let length = restBytes + String(restBytes).length;
  if (restBytes + String(length).length !== length) length = restBytes + String(length).length;
  return `${length}${rest}`;
}

function block(header: TarHeader): Uint8Array {
  const bytes = new Uint8Array(BLOCK_BYTES);
  const put = (text: string, field: { readonly at: number; readonly length: number }) => bytes.set(encoder.encode(text).subarray(0, field.length), field.at);
  put(fits(header.path) ? header.path : 'see-pax', NAME);
  put(`${octal(header.mode, 7)}\0`, MODE);
  put(`${octal(0, 7)}\0`, { at: 108, length: 8 });
  put(`${octal(0, 7)}\0`, { at: 116, length: 8 });
  put(`${octal(header.sizeBytes, 11)}\0`, SIZE);
  put(`${octal(0, 11)}\0`, { at: 136, length: 12 });
  put(header.type, TYPE);
  put(fits(header.target) ? header.target : '', TARGET);
  put('ustar\x0000', { at: MAGIC.at, length: 8 });
  put(`${octal(checksumOf(bytes), 6)}\0 `, CHECKSUM);
  return bytes;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

/** The sum of all bytes, with the checksum's own field taken for spaces. */
function checksumOf(bytes: Uint8Array): number {
  let sum = CHECKSUM.length * space;
  for (let at = 0; at < BLOCK_BYTES; at++) if (at < CHECKSUM.at || at >= CHECKSUM.at + CHECKSUM.length) sum += bytes[at] ?? 0;
  return sum;
}

function textAt(bytes: Uint8Array, { at, length }: { readonly at: number; readonly length: number }): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return decoder.decode(end < 0 ? field : field.subarray(0, end));
}

function numberAt(bytes: Uint8Array, { at, length }: { readonly at: number; readonly length: number }): number {
  const field = bytes.subarray(at, at + length);
  // GNU: the top bit says that the rest is the number itself, big-endian.
  if (((field[0] ?? 0) & 0x80) !== 0) return field.subarray(1).reduce((value, byte) => value * 256 + byte, (field[0] ?? 0) & 0x7f);
  const text = textAt(field, { at: 0, length }).trim();
  if (!/^[0-7]*$/.test(text))
    throw new PlatformError('INVALID', 'Cannot read the archive, because it is not a tar archive or is damaged: a number in a header is not one');
  return Number.parseInt(text === '' ? '0' : text, 8);
}
