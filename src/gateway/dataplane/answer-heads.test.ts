import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerHeads } from './answer-heads.ts';
import type { ClientStream } from './client-stream.ts';
import { SCAN, type ScanResult } from './head.ts';
import { LIMITS } from './limits.ts';
import { Plane } from './plane.ts';

const EARLY = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
const FINAL = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n';

/** What a client gets of informational answers. */
function readerOf(passed: number[]): { readonly isHead: boolean; readonly stream: ClientStream } {
  const stream: Partial<ClientStream> = { passInformational: (_source, { status }) => void passed.push(status) };
  return { isHead: false, stream: stream as ClientStream };
}

function readIn(heads: AnswerHeads, text: string, parts: readonly number[], passed: number[]): ScanResult {
  const bytes = Buffer.from(text);
  let result: ScanResult = SCAN.incomplete;
  let at = 0;
  for (const to of [...parts, bytes.length]) {
    // What comes is read over by what comes next.
    const read = Buffer.from(bytes.subarray(at, to));
    result = heads.read(read, 0, read.length, readerOf(passed));
    read.fill(0, 0, result === SCAN.incomplete ? read.length : 0);
    at = to;
  }
  return result;
}

test('a head is the same wherever its bytes were cut, with what came before and behind it', () => {
  const text = `${EARLY}${FINAL}hello`;
  for (let cut = 1; cut <= EARLY.length + FINAL.length; cut++) {
    const heads = new AnswerHeads(new Plane(new Uint8Array()));
    const passed: number[] = [];
    const isLast = cut === EARLY.length + FINAL.length;
    const result = isLast ? readIn(heads, text, [], passed) : readIn(heads, text, [cut], passed);
    const { head, source, sourceEnd } = heads;
    deepEqual(
      { result, passed, status: head.status, length: head.length, behind: source.toString('latin1', head.end, sourceEnd) },
      { result: SCAN.complete, passed: [103], status: 200, length: 5, behind: 'hello' },
      `cut at ${cut}`,
    );
  }
});

test('a change of protocol is no informational answer', () => {
  const heads = new AnswerHeads(new Plane(new Uint8Array()));
  equal(readIn(heads, 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n', [], []), SCAN.complete);
  equal(heads.head.status, 101);
});

test('more informational answers than a request may have are bad, and counted anew for the next', () => {
  const heads = new AnswerHeads(new Plane(new Uint8Array()));
  const most = EARLY.repeat(LIMITS.informationalAnswers);
  equal(readIn(heads, `${most}${FINAL}`, [], []), SCAN.complete);
  heads.finished();
  equal(readIn(heads, `${most}${FINAL}`, [], []), SCAN.complete);
  equal(readIn(heads, `${EARLY}${FINAL}`, [], []), SCAN.bad);
});

test('once an answer is over nothing of its head stays in memory', () => {
  const plane = new Plane(new Uint8Array());
  const heads = new AnswerHeads(plane);
  readIn(heads, FINAL, [3, 20], []);
  equal(heads.source === plane.readBuffer, false);
  heads.finished();
  equal(heads.source === plane.readBuffer, true);
});
