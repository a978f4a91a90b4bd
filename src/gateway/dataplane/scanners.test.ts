import { deepEqual, equal } from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ChunkedReader } from './chunked-reader.ts';
import { ANSWERS, CHUNKED_BODIES, REQUESTS } from './corpus.ts';
import { BODY, Head, SCAN } from './head.ts';
import { writeAnswerHead, writeRequestHead } from './head-writer.ts';
import { scanAnswer } from './scan-answer.ts';
import { scanRequest } from './scan-request.ts';

const BODY_NAMES = Object.fromEntries(Object.entries(BODY).map(([name, value]) => [value, name]));

/** Scans as the bytes arrive: up to each end in turn. */
function scan(bytes: Buffer, ends: readonly number[], kind: 'request' | 'answer', head = new Head()): string {
  head.begin(0);
  for (const end of ends) {
    const result = kind === 'request' ? scanRequest(bytes, end, head) : scanAnswer(bytes, end, head, false);
    if (result === SCAN.bad) return head.refusal;
    if (result === SCAN.complete) return kind === 'request' ? 'ok' : `ok ${BODY_NAMES[head.body]}`;
  }
  return 'incomplete';
}

function whole(bytes: string, kind: 'request' | 'answer'): string {
  const buffer = Buffer.from(bytes, 'latin1');
  return scan(buffer, [buffer.length], kind);
}

function read(bytes: Buffer, ends: readonly number[]): string {
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
  if (!reader.done) return 'incomplete';
  return reader.trailers === '' ? data : `${data}+${reader.trailers.trim()}`;
}

/** Places where a stream may be cut, with its end. */
function cuts(length: number): fc.Arbitrary<number[]> {
  return fc.uniqueArray(fc.integer({ min: 1, max: length }), { maxLength: 12 }).map((ends) => [...new Set([...ends, length])].sort((a, b) => a - b));
}

describe('requests are read strictly (R-02)', () => {
  for (const { name, bytes, expect } of REQUESTS) test(`${name}: ${expect}`, () => equal(whole(bytes, 'request'), expect));
});

describe('answers are read strictly (R-05)', () => {
  for (const { name, bytes, expect } of ANSWERS) test(`${name}: ${expect}`, () => equal(whole(bytes, 'answer'), expect));
});

describe('chunked bodies are read strictly', () => {
  for (const { name, bytes, expect } of CHUNKED_BODIES) {
    test(`${name}: ${expect.slice(0, 40)}`, () => {
      const buffer = Buffer.from(bytes, 'latin1');
      equal(read(buffer, [buffer.length]), expect);
    });
  }
});

test('the tables are as large as promised', () => {
  deepEqual([REQUESTS.length >= 60, ANSWERS.length >= 20], [true, true]);
});

test('however a stream is cut, the verdict is the same', () => {
  const cases = [
    ...REQUESTS.map(({ bytes }) => ({ bytes: Buffer.from(bytes, 'latin1'), kind: 'request' as const })),
    ...ANSWERS.map(({ bytes }) => ({ bytes: Buffer.from(bytes, 'latin1'), kind: 'answer' as const })),
  ];
  const cut = fc.constantFrom(...cases).chain((one) => cuts(one.bytes.length).map((ends) => ({ ...one, ends })));
  fc.assert(
    fc.property(cut, ({ bytes, kind, ends }) => equal(scan(bytes, ends, kind), scan(bytes, [bytes.length], kind))),
    { numRuns: 3_000 },
  );
});

test('byte by byte, the verdict is the same', () => {
  for (const { bytes, expect } of REQUESTS) {
    const buffer = Buffer.from(bytes, 'latin1');
    if (buffer.length > 2_000) continue;
    equal(
      scan(
        buffer,
        Array.from({ length: buffer.length }, (_, i) => i + 1),
        'request',
      ),
      expect,
    );
  }
});

test('however a chunked body is cut, the data is the same', () => {
  const cut = fc
    .constantFrom(...CHUNKED_BODIES.map(({ bytes }) => Buffer.from(bytes, 'latin1')))
    .chain((bytes) => cuts(bytes.length).map((ends) => ({ bytes, ends })));
  fc.assert(
    fc.property(cut, ({ bytes, ends }) => equal(read(bytes, ends), read(bytes, [bytes.length]))),
    { numRuns: 2_000 },
  );
});

test('a mutated request is refused, incomplete, or passed on as one that is read the same way (R-01)', () => {
  const mutation = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }), kind: fc.constantFrom('set', 'insert', 'delete') });
  const mutated = fc
    .tuple(fc.constantFrom(...REQUESTS.filter(({ bytes }) => bytes.length < 500)), fc.array(mutation, { minLength: 1, maxLength: 4 }))
    .map(([one, mutations]) => {
      const bytes = [...Buffer.from(one.bytes, 'latin1')];
      for (const { at, byte, kind } of mutations) {
        if (kind === 'set') bytes[at % bytes.length] = byte;
        else if (kind === 'insert') bytes.splice(at % bytes.length, 0, byte);
        else bytes.splice(at % bytes.length, 1);
      }
      return Buffer.from(bytes);
    });
  fc.assert(
    fc.property(mutated, (bytes) => {
      const head = new Head();
      if (scan(bytes, [bytes.length], 'request', head) !== 'ok') return;
      const out = Buffer.alloc(8_192);
      const length = writeRequestHead(out, 0, bytes, head, { fields: Buffer.from('X-Request-Id: '), namesHost: false }, Buffer.from('1\r\n\r\n'));
      const again = new Head();
      again.begin(0);
      const { body, length: bodyLength, upgradesToWebSocket } = head;
      // An HTTP/1.0 request without a host goes on with an empty one, which only a client may not send.
      if (head.hostEnd === 0) return;
      equal(scan(out, [length], 'request', again), 'ok', out.toString('latin1', 0, length));
      deepEqual([again.end, again.body, again.length, again.upgradesToWebSocket], [length, body, bodyLength, upgradesToWebSocket]);
    }),
    { numRuns: 5_000 },
  );
});

test('an answer is passed on with its framing computed, hop-by-hop fields gone', () => {
  const bytes = Buffer.from(
    'HTTP/1.0 200 Fine\r\nServer: x\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\ncontent-length: 007\r\nX-End: y\r\n\r\n',
    'latin1',
  );
  const head = new Head();
  equal(scan(bytes, [bytes.length], 'answer', head), 'ok length');
  const out = Buffer.alloc(1_024);
  const length = writeAnswerHead(out, 0, bytes, head, 'length', false);
  equal(out.toString('latin1', 0, length), 'HTTP/1.1 200 Fine\r\nServer: x\r\nX-End: y\r\nContent-Length: 7\r\n\r\n');
  equal(head.keepAliveSeconds, 5);
});
