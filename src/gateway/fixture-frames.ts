import { connect, Socket } from 'node:net';
import type { Address } from '#world/world';
import { until } from './live-fixture.ts';

/** Types and flags of frames (RFC 9113, 6), and error codes (7). */
export const FRAME = { data: 0, headers: 1, priority: 2, reset: 3, settings: 4, push: 5, ping: 6, goaway: 7, window: 8, continuation: 9 } as const;
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;
export const CODE = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

type Fields = readonly (readonly [name: string, value: string])[];

const headerBytes = 9;
/** Statuses at which the static table begins (RFC 7541, A). */
const STATUS_BY_INDEX: Readonly<Record<number, number>> = { 8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500 };

/** A frame as bytes; `length` instead of that of its payload. */
export function frame(type: number, flags: number, stream: number, payload: Buffer | readonly number[] = [], length?: number): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(headerBytes);
  head.writeUIntBE(length ?? body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

/** Fields as HPACK literals that are not indexed and not compressed (RFC 7541, 6.2.2): any bytes can be said so. */
export function literals(fields: Fields): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([integer(bytes.length, 7), bytes]);
}

/** An integer with a prefix of so many bits (RFC 7541, 5.1). */
function integer(value: number, prefixBits: number): Buffer {
  const most = 2 ** prefixBits - 1;
  if (value < most) return Buffer.from([value]);
  const bytes = [most];
  let left = value - most;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  return Buffer.from([...bytes, left]);
}

/** An ordinary request's fields, with some changed ('' removes one) and others behind. */
export function fieldsOf(changes: Readonly<Record<string, string>> = {}, more: Fields = []): Fields {
  const usual = { ':method': 'GET', ':scheme': 'http', ':authority': 'x', ':path': '/', ...changes };
  return [...Object.entries(usual).filter(([, value]) => value !== ''), ...more];
}

export function headers(stream: number, fields: Fields, flags: number = FLAG.endHeaders | FLAG.endStream): Buffer {
  return frame(FRAME.headers, flags, stream, literals(fields));
}

export function settings(...pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  pairs.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(FRAME.settings, 0, 0, payload);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A client of HTTP/2 that says exactly what it is told to, and keeps what comes. */
export class FrameClient {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  isEnded = false;
  #rest = Buffer.alloc(0);

  /** Begins as every client does, unless told to say nothing; on a connection that is there already, or a new one. */
  constructor(to: Address | Socket, options: { readonly isSilent?: boolean } = {}) {
    this.socket = to instanceof Socket ? to : connect({ host: to.host, port: to.port });
    this.socket.on('data', (data) => this.#take(data));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.isEnded = true;
    });
    // Without a table (SETTINGS_HEADER_TABLE_SIZE 0) the answers' fields can be read without remembering any.
    if (!options.isSilent) this.send(PREFACE, settings([1, 0]));
  }

  send(...parts: readonly Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(parts));
  }

  /** A request without a body, on that stream. */
  get(stream: number, path: string): void {
    this.send(headers(stream, fieldsOf({ ':path': path })));
  }

  of(type: number, stream?: number): Frame[] {
    return this.frames.filter((each) => each.type === type && (stream === undefined || each.stream === stream));
  }

  /** The status of the final answer on a stream; 0 if none came. */
  status(stream: number): number {
    const statuses = this.of(FRAME.headers, stream).map(({ payload }) => statusIn(payload));
    return statuses.find((status) => status >= 200) ?? 0;
  }

  text(stream: number): string {
    return Buffer.concat(this.of(FRAME.data, stream).map(({ payload }) => payload)).toString('latin1');
  }

  /** The code with which a stream was reset; -1 if it was not. */
  resetCode(stream: number): number {
    return this.of(FRAME.reset, stream)[0]?.payload.readUInt32BE(0) ?? -1;
  }

  /** The code with which the connection was ended; -1 if it was not told. */
  get goawayCode(): number {
    return this.of(FRAME.goaway).at(-1)?.payload.readUInt32BE(4) ?? -1;
  }

  /** The stream was answered to its end, or reset. */
  isOver(stream: number): boolean {
    return this.frames.some(
      ({ type, flags, stream: its }) => its === stream && (type === FRAME.reset || (type <= FRAME.headers && (flags & FLAG.endStream) !== 0)),
    );
  }

  async over(stream: number, withinMs?: number): Promise<void> {
    await this.until(() => this.isOver(stream) || this.isEnded, `stream ${stream} is over`, withinMs);
  }

  async ended(withinMs?: number): Promise<void> {
    await this.until(() => this.isEnded, 'the connection ends', withinMs);
  }

  async until(holds: () => boolean, claim: string, withinMs?: number): Promise<void> {
    await until(holds, claim, withinMs).catch((error: unknown) => {
      throw new Error(`${String(error)}; came: ${this.summary}`);
    });
  }

  /** What came, in short. */
  get summary(): string {
    const names = Object.keys(FRAME);
    return this.frames.map(({ type, flags, stream, payload }) => `${names[type]}/${flags} ${stream} ${payload.toString('latin1').slice(0, 60)}`).join(' | ');
  }

  close(): void {
    this.socket.destroy();
  }

  #take(data: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, data]);
    while (this.#rest.length >= headerBytes) {
      const end = headerBytes + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < end) return;
      const [type = 0, flags = 0] = this.#rest.subarray(3, 5);
      this.frames.push({ type, flags, stream: this.#rest.readUInt32BE(5) & 0x7fffffff, payload: this.#rest.subarray(headerBytes, end) });
      this.#rest = this.#rest.subarray(end);
      if (type === FRAME.settings && (flags & FLAG.ack) === 0) this.send(frame(FRAME.settings, FLAG.ack, 0));
    }
  }
}

/** The status in the first field of an answer (RFC 9113, 8.3.2), as servers without a table write it; 0 of trailers. */
function statusIn(block: Buffer): number {
  // A change of the table's size may come first (RFC 7541, 6.3).
  let at = 0;
  while (((block[at] ?? 0) & 0xe0) === 0x20) at++;
  const first = block[at] ?? 0;
  if (first >= 0x80) return STATUS_BY_INDEX[first & 0x7f] ?? 0;
  const isStatus = [0x48, 0x08, 0x18].includes(first);
  return isStatus ? Number(digits(block.subarray(at + 1, at + 5))) : 0;
}

/** A literal of three digits, with Huffman codes (RFC 7541, B) or without: 0 to 2 have five bits, the others six. */
function digits(literal: Buffer): string {
  const length = (literal[0] ?? 0) & 0x7f;
  const bytes = literal.subarray(1, 1 + length);
  if (((literal[0] ?? 0) & 0x80) === 0) return bytes.toString('latin1');
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  let text = '';
  for (let at = 0; text.length < 3; ) {
    const short = Number.parseInt(bits.slice(at, at + 5), 2);
    text += short < 3 ? short : Number.parseInt(bits.slice(at, at + 6), 2) - 0b011001 + 3;
    at += short < 3 ? 5 : 6;
  }
  return text;
}
