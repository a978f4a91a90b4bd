import { ChunkedReader } from './chunked-reader.ts';
import { ANSWERS, CHUNKED_BODIES, REQUESTS } from './corpus.ts';
import { ANSWER_STREAMS } from './corpus-answers.ts';
import { STREAMS } from './corpus-streams.ts';
import { BODY, Head, SCAN } from './head.ts';
import { writeAnswerHead, writeRequestHead } from './head-writer.ts';
import { scanAnswer } from './scan-answer.ts';
import { scanRequest } from './scan-request.ts';

const latin1 = (cases: readonly { readonly bytes: string }[]) => cases.map(({ bytes }) => Buffer.from(bytes, 'latin1')).filter(({ length }) => length < 4_096);
// The good ones weigh more: what is refused after one change shows less than what goes on.
const REQUEST_SEEDS = latin1([...REQUESTS, ...STREAMS, ...repeated(REQUESTS.filter(({ expect }) => expect === 'ok'))]);
const ANSWER_SEEDS = latin1([...ANSWERS, ...ANSWER_STREAMS, ...repeated(ANSWERS.filter(({ expect }) => expect.startsWith('ok')))]);
const CHUNK_SEEDS = latin1(CHUNKED_BODIES);
/** Bytes that mean something to a parser. */
const TELLING = Buffer.from('\r\n\r\n :;,\t\0\x0b\x7f\xff09afAF#\\%_-', 'latin1');
const mostMutations = 3;
const mostCuts = 6;
const mostStreamBytes = 16 * 1024;

function repeated<Case>(cases: readonly Case[]): readonly Case[] {
  return Array.from({ length: 6 }, () => cases).flat();
}

export type FuzzKind = 'request' | 'answer' | 'chunks';

/** Mutated streams of the corpus: bits flipped, bytes set, parts cut out, doubled, and joined with those of others. The same seed gives the same streams. */
export class Mutator {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** Uniform in [0, below), xorshift32. */
  luck(below: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % below;
  }

  stream(kind: FuzzKind): Buffer {
    const seeds = kind === 'request' ? REQUEST_SEEDS : kind === 'answer' ? ANSWER_SEEDS : CHUNK_SEEDS;
    const pick = () => seeds[this.luck(seeds.length)] as Buffer;
    let bytes: Buffer = Buffer.from(pick());
    for (let left = 1 + this.luck(mostMutations); left > 0; left--) bytes = this.#mutate(bytes, pick);
    return bytes.length > mostStreamBytes ? bytes.subarray(0, mostStreamBytes) : bytes;
  }

  /** Where a stream is cut into reads; the last is its end. */
  cuts(length: number): number[] {
    const ends = Array.from({ length: this.luck(mostCuts) }, () => this.luck(length + 1));
    return [...ends, length].sort((a, b) => a - b);
  }

  #mutate(bytes: Buffer, pick: () => Buffer): Buffer {
    const at = this.luck(bytes.length + 1);
    const to = Math.min(bytes.length, at + this.luck(32));
    switch (this.luck(12)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << this.luck(8));
        return bytes;
      case 1:
        if (at < bytes.length) bytes[at] = TELLING[this.luck(TELLING.length)] as number;
        return bytes;
      case 2:
        return Buffer.concat([bytes.subarray(0, at), TELLING.subarray(0, 1 + this.luck(4)), bytes.subarray(at)]);
      case 3:
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)]);
      case 4:
        return Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)]);
      case 5: {
        const other = pick();
        return Buffer.concat([bytes.subarray(0, at), other.subarray(this.luck(other.length + 1))]);
      }
      case 6:
        return bytes.subarray(0, at);
      default:
        // In a value or a body most changes do no harm: these streams reach further.
        if (at < bytes.length && (bytes[at] as number) > 0x20) bytes[at] = 0x61 + this.luck(26);
        return bytes;
    }
  }
}

/** Scans one stream whole and in parts, and what would be sent on again. What went wrong; `undefined`: nothing. Throws what the scanners throw. */
export class FuzzTarget {
  readonly #head = new Head();
  readonly #split = new Head();
  readonly #again = new Head();
  readonly #out = Buffer.alloc(64 * 1024);
  readonly #about = { fields: Buffer.from('X-Forwarded-For: 127.0.0.1\r\nX-Request-Id: '), namesHost: false };
  readonly #id = Buffer.from('1\r\n\r\n');
  accepted = 0;

  try(kind: FuzzKind, bytes: Buffer, ends: readonly number[]): string | undefined {
    if (kind === 'chunks') return this.#tryChunks(bytes, ends);
    const whole = scanAll(kind, bytes, [bytes.length], this.#head);
    const split = scanAll(kind, bytes, ends, this.#split);
    if (whole !== split) return `whole: ${whole}, in parts: ${split}`;
    if (whole !== 'ok') return undefined;
    this.accepted++;
    const head = this.#head;
    if (head.end > bytes.length) return `the head ends at ${head.end} of ${bytes.length}`;
    if (kind === 'request' && head.hostEnd === 0) return undefined;
    return this.#trySentOn(kind, bytes, head);
  }

  /** what is sent on is read in the one way it was meant. */
  #trySentOn(kind: 'request' | 'answer', bytes: Buffer, head: Head): string | undefined {
    const out = this.#out;
    const framing = head.body === BODY.chunked || head.body === BODY.untilClose ? 'chunked' : head.hasLength ? 'length' : 'none';
    const neverHasBody = head.status < 200 || head.status === 204;
    const length =
      kind === 'request'
        ? writeRequestHead(out, 0, bytes, head, this.#about, this.#id)
        : writeAnswerHead(out, 0, bytes, head, neverHasBody ? 'none' : framing, false);
    const again = this.#again;
    // The head may have grown beyond the limits by what we add.
    const verdict = scanAll(kind, out, [length], again);
    if (verdict !== 'ok') return /too-many|too-large/.test(verdict) ? undefined : `what is sent on is ${verdict}: ${out.toString('latin1', 0, length)}`;
    if (again.end !== length) return `what is sent on ends at ${again.end} of ${length}: ${out.toString('latin1', 0, length)}`;
    const body = head.body === BODY.untilClose ? BODY.chunked : head.body;
    if (again.body !== body || (body === BODY.length && again.length !== head.length))
      return `framed as ${again.body} ${again.length}, meant ${body} ${head.length}`;
    return undefined;
  }

  #tryChunks(bytes: Buffer, ends: readonly number[]): string | undefined {
    const whole = readAll(bytes, [bytes.length]);
    const split = readAll(bytes, ends);
    if (!whole.startsWith('broken') && !whole.startsWith('open')) this.accepted++;
    return whole === split ? undefined : `whole: ${whole}, in parts: ${split}`;
  }
}

function scanAll(kind: 'request' | 'answer', bytes: Buffer, ends: readonly number[], head: Head): string {
  head.begin(0);
  for (const end of ends) {
    const result = kind === 'request' ? scanRequest(bytes, end, head) : scanAnswer(bytes, end, head, false);
    if (result === SCAN.bad) return head.refusal;
    if (result === SCAN.complete) return 'ok';
  }
  return 'incomplete';
}

function readAll(bytes: Buffer, ends: readonly number[]): string {
  const reader = new ChunkedReader();
  reader.begin();
  let data = '';
  let at = 0;
  for (const end of ends) {
    while (at < end && !reader.done) {
      at = reader.read(bytes, at, end);
      if (at < 0) return 'broken';
      data += bytes.toString('latin1', reader.dataAt, reader.dataEnd);
    }
  }
  return `${reader.done ? 'done' : 'open'} ${reader.done ? at : ''} ${data}+${reader.trailers}`;
}
