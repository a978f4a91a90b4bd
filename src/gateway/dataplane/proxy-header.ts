import { crc32c } from '#base/checksum';
import { canonicalIp } from './ip-address.ts';

/** One end of a connection; the address in canonical form. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/**
 * What the first bytes of a connection are. `more`: not all is there yet. `local`: the proxy speaks for itself, or of what is no TCP: the socket's own ends
 * count. `proxied`: it speaks for a client. `end` is the offset just past the header.
 */
export type ProxyHeader =
  | { readonly kind: 'more' }
  | { readonly kind: 'bad'; readonly why: ProxyFault }
  | { readonly kind: 'local'; readonly end: number }
  | { readonly kind: 'proxied'; readonly end: number; readonly source: Endpoint; readonly destination: Endpoint };

/** Why a header was refused; labels of a metric. */
export type ProxyFault = 'no-header' | 'bad-line' | 'bad-address' | 'bad-version' | 'bad-length' | 'bad-extension' | 'bad-checksum' | 'too-large';

/** A line of version 1 with its CRLF; a header of version 2 with its extensions. */
export const PROXY_LIMITS = { lineBytes: 107, headerBytes: 16 * 1024 } as const;

const MORE: ProxyHeader = { kind: 'more' };
const CR = 13;
const LF = 10;
const LINE = Buffer.from('PROXY ', 'latin1');
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const FIXED_BYTES = 16;
const PORT = /^(?:0|[1-9]\d{0,4})$/;

/** Bytes of both ends by family and transport; 0: no ends. Every other value is unassigned. */
const ENDS_BYTES: ReadonlyMap<number, number> = new Map([
  [0x00, 0],
  [0x11, 12],
  [0x12, 12],
  [0x21, 36],
  [0x22, 36],
  [0x31, 216],
  [0x32, 216],
]);
const TCP4 = 0x11;
const TCP6 = 0x21;
const EXTENSION = { checksum: 0x03, uniqueId: 0x05, tls: 0x20 } as const;
const UNIQUE_ID_BYTES = 128;
const TLS_FIXED_BYTES = 5;

/**
 * Reads the header of the PROXY protocol, version 1 or 2 (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt), from the first bytes of a connection.
 * Strict: a byte that cannot belong to one is refused as soon as it is there, and nothing beyond the header is looked at.
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (bytes.length === 0) return MORE;
  if (bytes[0] === LINE[0]) return parseLine(bytes);
  return parseBinary(bytes);
}

function parseLine(bytes: Buffer): ProxyHeader {
  const known = Math.min(bytes.length, LINE.length);
  if (bytes.compare(LINE, 0, known, 0, known) !== 0) return bad('no-header');
  const most = Math.min(bytes.length, PROXY_LIMITS.lineBytes);
  let at = LINE.length;
  while (at < most && bytes[at] !== CR) {
    // Visible ASCII and spaces: a bare LF is no end.
    if ((bytes[at] as number) < 0x20 || (bytes[at] as number) > 0x7e) return bad('bad-line');
    at++;
  }
  // The CR may be at most the last but one byte of the longest line.
  if (at >= PROXY_LIMITS.lineBytes - 1) return bad('too-large');
  if (at + 1 >= bytes.length) return MORE;
  if (bytes[at + 1] !== LF) return bad('bad-line');
  const [family, ...words] = bytes.toString('latin1', LINE.length, at).split(' ');
  const end = at + 2;
  // Whatever follows it is to be ignored.
  if (family === 'UNKNOWN') return { kind: 'local', end };
  if ((family !== 'TCP4' && family !== 'TCP6') || words.length !== 4) return bad('bad-line');
  const [from, to, fromPort, toPort] = words as [string, string, string, string];
  const source = endpoint(from, fromPort, family === 'TCP6');
  const destination = endpoint(to, toPort, family === 'TCP6');
  return source === undefined || destination === undefined ? bad('bad-address') : { kind: 'proxied', end, source, destination };
}

function endpoint(text: string, port: string, isSix: boolean): Endpoint | undefined {
  const address = text.includes(':') === isSix ? canonicalIp(text) : undefined;
  return address === undefined || !PORT.test(port) || Number(port) > 65_535 ? undefined : { address, port: Number(port) };
}

function parseBinary(bytes: Buffer): ProxyHeader {
  const known = Math.min(bytes.length, SIGNATURE.length);
  if (bytes.compare(SIGNATURE, 0, known, 0, known) !== 0) return bad('no-header');
  const { [12]: version = 0x20, [13]: family = 0 } = bytes;
  if (version >> 4 !== 2 || (version & 0xf) > 1) return bad('bad-version');
  const isLocal = (version & 0xf) === 0;
  const endsBytes = ENDS_BYTES.get(family);
  // Of what a proxy says for itself the family is ignored.
  if (endsBytes === undefined && !isLocal) return bad('bad-version');
  if (bytes.length < FIXED_BYTES) return MORE;
  const length = bytes.readUInt16BE(14);
  const end = FIXED_BYTES + length;
  if (end > PROXY_LIMITS.headerBytes) return bad('too-large');
  if (!isLocal && length < (endsBytes ?? 0)) return bad('bad-length');
  if (bytes.length < end) return MORE;
  if (isLocal) return { kind: 'local', end };
  const extensionsAt = FIXED_BYTES + (endsBytes ?? 0);
  const fault = extensionFault(bytes.subarray(0, end), extensionsAt);
  if (fault !== undefined) return bad(fault);
  if (family !== TCP4 && family !== TCP6) return { kind: 'local', end };
  const addressBytes = family === TCP4 ? 4 : 16;
  const portsAt = FIXED_BYTES + 2 * addressBytes;
  return {
    kind: 'proxied',
    end,
    source: { address: addressAt(bytes, FIXED_BYTES, addressBytes), port: bytes.readUInt16BE(portsAt) },
    destination: { address: addressAt(bytes, FIXED_BYTES + addressBytes, addressBytes), port: bytes.readUInt16BE(portsAt + 2) },
  };
}

function addressAt(bytes: Buffer, at: number, length: number): string {
  if (length === 4) return bytes.subarray(at, at + 4).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 2 * i).toString(16));
  return canonicalIp(groups.join(':')) ?? '::';
}

/** What is wrong with the extensions (TLVs) from `from` to the end of the header: each must lie within it, and the last end where it ends. */
function extensionFault(header: Buffer, from: number): ProxyFault | undefined {
  let hasChecksum = false;
  for (let at = from; at < header.length; ) {
    const valueAt = at + 3;
    if (valueAt > header.length) return 'bad-extension';
    const next = valueAt + header.readUInt16BE(at + 1);
    if (next > header.length) return 'bad-extension';
    switch (header[at]) {
      case EXTENSION.checksum:
        if (hasChecksum || next - valueAt !== 4) return 'bad-extension';
        hasChecksum = true;
        if (!isWhole(header, valueAt)) return 'bad-checksum';
        break;
      case EXTENSION.uniqueId:
        if (next - valueAt > UNIQUE_ID_BYTES) return 'bad-extension';
        break;
      case EXTENSION.tls:
        if (next - valueAt < TLS_FIXED_BYTES || !areExtensions(header, valueAt + TLS_FIXED_BYTES, next)) return 'bad-extension';
        break;
    }
    at = next;
  }
  return undefined;
}

function areExtensions(header: Buffer, from: number, end: number): boolean {
  let at = from;
  while (at + 3 <= end) at += 3 + header.readUInt16BE(at + 1);
  return at === end;
}

/** The checksum is of the whole header with zeros in its own place. */
function isWhole(header: Buffer, checksumAt: number): boolean {
  const copy = Buffer.from(header);
  copy.fill(0, checksumAt, checksumAt + 4);
  return crc32c(copy) >>> 0 === header.readUInt32BE(checksumAt);
}

function bad(why: ProxyFault): ProxyHeader {
  return { kind: 'bad', why };
}
