import type { RouteMatch } from '#model/spec';
import { HEX } from './byte-classes.ts';

const SLASH = 47;
const DOT = 46;
const PERCENT = 37;
const QUESTION = 63;
const COLON = 58;
// FNV-1a, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/): one multiplication per byte, and every hit is compared byte by byte anyway.
const hashSeed = 0x811c9dc5;
const hashPrime = 0x01000193;

/** A segment that is a dot or two. Some backends read an escaped slash as a slash, and a segment only up to a semicolon. */
const STEPS_OUT = /(?:^|\/|%2F)\.\.?(?:;|\/|%2F|$)/;

interface Leaf<Target> {
  readonly bytes: Buffer;
  readonly target: Target;
}

interface Host<Target> {
  readonly bytes: Buffer;
  root: Target | undefined;
  readonly prefixes: Map<number, Leaf<Target>[]>;
}

/** Finds the service of a request by host and path, in time that does not grow with the number of routes. */
export class RoutingTable<Target> {
  readonly #hosts = new Map<number, Host<Target>[]>();
  #anyHost: Host<Target> | undefined;
  /** After `find` gave `undefined`: the path could be read in two ways, so it must be refused. */
  isAmbiguous = false;

  constructor(entries: readonly { readonly matches: readonly RouteMatch[]; readonly target: Target }[]) {
    for (const { matches, target } of entries) for (const match of matches) this.#add(match, target);
  }

  /** The longest path prefix on segment borders of the exact host, else of any host. Offsets are of the Host field and of the target. */
  find(bytes: Buffer, hostAt: number, hostEnd: number, targetAt: number, targetEnd: number): Target | undefined {
    this.isAmbiguous = false;
    const exact = this.#hosts.size === 0 ? undefined : this.#host(bytes, hostAt, hostEnd);
    const found = exact === undefined ? undefined : this.#path(exact, bytes, targetAt, targetEnd);
    if (found !== undefined || this.isAmbiguous || this.#anyHost === undefined) return found;
    return this.#path(this.#anyHost, bytes, targetAt, targetEnd);
  }

  #add(match: RouteMatch, target: Target): void {
    if (match.host === '*') this.#anyHost ??= newHost('*');
    const host = match.host === '*' && this.#anyHost !== undefined ? this.#anyHost : this.#exactHost(match.host.toLowerCase());
    const path = match.path.replace(/\/+$/, '');
    // The first of two equal matches wins, so that a later route cannot take requests from one that works.
    if (path === '') {
      host.root ??= target;
      return;
    }
    const bytes = Buffer.from(path, 'latin1');
    const hash = hashOf(bytes);
    const leaves = host.prefixes.get(hash) ?? [];
    if (!leaves.some((leaf) => leaf.bytes.equals(bytes))) leaves.push({ bytes, target });
    host.prefixes.set(hash, leaves);
  }

  #exactHost(name: string): Host<Target> {
    const host = newHost<Target>(name);
    const hash = hashOf(host.bytes);
    const hosts = this.#hosts.get(hash) ?? [];
    this.#hosts.set(hash, hosts);
    const known = hosts.find(({ bytes }) => bytes.equals(host.bytes));
    if (known !== undefined) return known;
    hosts.push(host);
    return host;
  }

  #host(bytes: Buffer, from: number, to: number): Host<Target> | undefined {
    let end = from;
    let hash = hashSeed;
    for (let isBracketed = false; end < to; end++) {
      const byte = lower(bytes[end] as number);
      if (byte === 0x5b) isBracketed = true;
      if (byte === 0x5d) isBracketed = false;
      if (byte === COLON && !isBracketed) break;
      // The dot at the end of a whole name is no part of it (RFC 1034, 3.1).
      if (byte === DOT && (end + 1 === to || bytes[end + 1] === COLON)) break;
      hash = Math.imul(hash ^ byte, hashPrime);
    }
    const hosts = this.#hosts.get(hash);
    if (hosts === undefined) return undefined;
    for (const host of hosts) {
      if (host.bytes.length !== end - from) continue;
      let i = 0;
      while (i < host.bytes.length && host.bytes[i] === lower(bytes[from + i] as number)) i++;
      if (i === host.bytes.length) return host;
    }
    return undefined;
  }

  #path(host: Host<Target>, bytes: Buffer, from: number, to: number): Target | undefined {
    let found = host.root;
    let hash = hashSeed;
    let before = 0;
    const hasPrefixes = host.prefixes.size > 0;
    for (let at = from; at < to; at++) {
      const byte = bytes[at] as number;
      if (byte === QUESTION) {
        to = at;
        break;
      }
      if (byte === PERCENT || (before === SLASH && (byte === DOT || byte === SLASH))) return this.#unusualPath(host, bytes, from, to);
      if (byte === SLASH && hasPrefixes && at > from) found = leafOf(host, hash, bytes, from, at) ?? found;
      hash = Math.imul(hash ^ byte, hashPrime);
      before = byte;
    }
    return hasPrefixes ? (leafOf(host, hash, bytes, from, to) ?? found) : found;
  }

  /** Paths with escapes, dots or empty segments are matched on their normal form; what could step out of a prefix is refused. */
  #unusualPath(host: Host<Target>, bytes: Buffer, from: number, to: number): Target | undefined {
    const raw = bytes.toString('latin1', from, to).split('?', 1)[0] as string;
    if (/%(?![0-9a-f]{2})|%00|%5c/i.test(raw)) {
      this.isAmbiguous = true;
      return undefined;
    }
    if (host.prefixes.size === 0) return host.root;
    const decoded = raw.replace(/%[0-9a-f]{2}/gi, unreserved);
    if (STEPS_OUT.test(decoded)) {
      this.isAmbiguous = true;
      return undefined;
    }
    const normal = Buffer.from(decoded.replace(/\/{2,}/g, '/'), 'latin1');
    let found = host.root;
    for (let end = normal.length; end > 0; end--) {
      if (end < normal.length && normal[end] !== SLASH) continue;
      const leaf = leafOf(host, hashOf(normal.subarray(0, end)), normal, 0, end);
      if (leaf !== undefined) {
        found = leaf;
        break;
      }
    }
    return found;
  }
}

function newHost<Target>(name: string): Host<Target> {
  return { bytes: Buffer.from(name, 'latin1'), root: undefined, prefixes: new Map() };
}

function leafOf<Target>(host: Host<Target>, hash: number, bytes: Buffer, from: number, to: number): Target | undefined {
  const leaves = host.prefixes.get(hash);
  if (leaves === undefined) return undefined;
  for (const leaf of leaves) if (leaf.bytes.length === to - from && isAt(bytes, from, leaf.bytes)) return leaf.target;
  return undefined;
}

/** A prefix is short: the call of `Buffer.compare` alone takes longer than this. */
function isAt(bytes: Buffer, from: number, wanted: Buffer): boolean {
  let i = 0;
  while (i < wanted.length && bytes[from + i] === wanted[i]) i++;
  return i === wanted.length;
}

function hashOf(bytes: Buffer): number {
  let hash = hashSeed;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, hashPrime);
  return hash;
}

function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte | 0x20 : byte;
}

/** Letters, digits and `-._~` mean the same escaped or not (RFC 3986, 6.2.2.2); everything else stays escaped. */
function unreserved(escaped: string): string {
  const high = HEX[escaped.charCodeAt(1)] as number;
  const low = HEX[escaped.charCodeAt(2)] as number;
  const character = String.fromCharCode(high * 16 + low);
  return /[A-Za-z0-9\-._~]/.test(character) ? character : escaped.toUpperCase();
}
