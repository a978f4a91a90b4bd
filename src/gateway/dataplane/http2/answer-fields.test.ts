import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { Head, SCAN } from '../head.ts';
import { scanAnswer } from '../scan-answer.ts';
import { answerFields, fieldsByName } from './answer-fields.ts';

function fieldsOf(text: string, extraLine = '', toHead = false): string[] {
  const bytes = Buffer.from(text, 'latin1');
  const head = new Head();
  head.begin(0);
  deepEqual(scanAnswer(bytes, bytes.length, head, toHead), SCAN.complete);
  return answerFields(bytes, head, extraLine);
}

test('an answer keeps its fields in order, in lower case and trimmed, with the length it has', () => {
  deepEqual(fieldsOf('HTTP/1.1 200 OK\r\nX-B:  b \r\nContent-Length: 5\r\nX-A: \xe4\r\nX-B: c\r\n\r\n'), [
    ':status',
    '200',
    'x-b',
    'b',
    'x-a',
    'ä',
    'x-b',
    'c',
    'content-length',
    '5',
  ]);
});

test('nothing that belongs to the connection to the backend is in it', () => {
  const hops =
    'Connection: close, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\nTE: x\r\nUpgrade: y\r\nProxy-Connection: z\r\nHTTP2-Settings: s';
  deepEqual(fieldsOf(`HTTP/1.1 200 OK\r\n${hops}\r\n\r\n`), [':status', '200']);
});

test('a length is told of what has none by rule, but never with 204', () => {
  deepEqual(fieldsOf('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n', '', true), [':status', '200', 'content-length', '9']);
  deepEqual(fieldsOf('HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n'), [':status', '304', 'content-length', '9']);
  deepEqual(fieldsOf('HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n'), [':status', '204']);
});

test('a line of ours is behind those of the backend', () => {
  deepEqual(fieldsOf('HTTP/1.1 204 No Content\r\nSet-Cookie: a=1\r\n\r\n', 'Set-Cookie: b=2; Path=/\r\n'), [
    ':status',
    '204',
    'set-cookie',
    'a=1',
    'set-cookie',
    'b=2; Path=/',
  ]);
});

test('fields by name keep those that come twice, whatever their name', () => {
  const byName = fieldsByName('Link: a\r\nLINK: b\r\n__proto__: c\r\n');
  deepEqual(Object.entries(byName), [
    ['link', ['a', 'b']],
    ['__proto__', 'c'],
  ]);
});
