import { isName, nameBytes } from './byte-classes.ts';
import type { Head } from './head.ts';

const SPACE = 32;
const TAB = 9;
const CHUNKED = nameBytes('chunked');
const KEEP_ALIVE = nameBytes('keep-alive');
const CLOSE = nameBytes('close');

/** Fields that a request may never make hop-by-hop: to nominate them is an attack on what the backend trusts. */
const NEVER_NOMINATED =
  /^(?:host|content-length|content-type|transfer-encoding|authorization|cookie|set-cookie|forwarded|x-forwarded-.*|x-real-ip|x-request-id|via)$/;

/** End of the value without trailing spaces and tabs. */
export function trimEnd(bytes: Buffer, from: number, to: number): number {
  let end = to;
  while (end > from && (bytes[end - 1] === SPACE || bytes[end - 1] === TAB)) end--;
  return end;
}

/** A length of 1 to 15 digits and nothing else; -1 for anything else. */
export function readLength(bytes: Buffer, from: number, to: number): number {
  if (to === from || to - from > 15) return -1;
  let length = 0;
  for (let i = from; i < to; i++) {
    const digit = (bytes[i] as number) - 48;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

/** `chunked` alone is understood; a list with it is broken or an attack, anything else unknown. */
export function readCoding(bytes: Buffer, from: number, to: number): 'chunked' | 'bad' | 'unknown' {
  if (to - from === 7 && isName(bytes, from, CHUNKED)) return 'chunked';
  const text = bytes.toString('latin1', from, to).toLowerCase();
  return text === '' || text.includes('chunked') || /[^a-z0-9 ,;=.+-]/.test(text) ? 'bad' : 'unknown';
}

/** Reads a Connection field into the head. False if it is not a list of tokens or nominates what it must not. */
export function readConnection(bytes: Buffer, from: number, to: number, head: Head): boolean {
  const length = to - from;
  if (length === 10 && isName(bytes, from, KEEP_ALIVE)) {
    head.keepsAlive = true;
    return true;
  }
  if (length === 5 && isName(bytes, from, CLOSE)) {
    head.closes = true;
    return true;
  }
  for (const part of bytes.toString('latin1', from, to).toLowerCase().split(',')) {
    const token = part.trim();
    if (token === '') continue;
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(token)) return false;
    if (token === 'close') head.closes = true;
    else if (token === 'keep-alive') head.keepsAlive = true;
    else if (token === 'upgrade') head.nominatesUpgrade = true;
    else if (token !== 'te') {
      if (NEVER_NOMINATED.test(token)) return false;
      head.nominated ??= [];
      head.nominated.push(token);
    }
  }
  return true;
}

/** Adds the lines whose names Connection nominated to those dropped. Rare, so it may allocate. */
export function dropNominated(bytes: Buffer, head: Head): void {
  const { nominated } = head;
  if (nominated !== undefined) dropNamed(bytes, head, (name) => nominated.includes(name));
}

/** Adds the lines whose names have other characters than letters, digits and hyphens. */
export function dropOddNames(bytes: Buffer, head: Head): void {
  if (head.hasOddNames) dropNamed(bytes, head, (name) => !/^[a-z0-9-]+$/.test(name));
}

function dropNamed(bytes: Buffer, head: Head, isDropped: (name: string) => boolean): void {
  const ranges: [number, number][] = [];
  for (let i = 0; i < head.droppedCount; i += 2) ranges.push([head.dropped[i] as number, head.dropped[i + 1] as number]);
  let at = head.fieldsAt;
  while (at < head.end - 2) {
    const next = bytes.indexOf(10, at) + 1;
    const name = bytes.toString('latin1', at, bytes.indexOf(58, at)).toLowerCase();
    const from = at;
    if (isDropped(name) && !ranges.some((range) => range[0] <= from && from < range[1])) ranges.push([at, next]);
    at = next;
  }
  ranges.sort((a, b) => a[0] - b[0]);
  head.droppedCount = 0;
  for (const [from, to] of ranges) head.drop(from, to);
}
