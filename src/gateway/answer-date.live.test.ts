import { deepEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { Http2Client, startDataplane } from './fixture-dataplane.ts';
import { backendAt, RawClient, routeTo } from './live-fixture.ts';
import { RecordingBackend } from './recording-backend.ts';

/** RFC 9110, 6.6.1: who passes on an answer without a date adds when it got it, and who makes an answer dates it. */

const datesOf = (text: string) => [...text.matchAll(/\r\nDate: ([^\r\n]*)/gi)].map(([, date]) => date);
const isRecent = (date = '') => /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/.test(date) && Math.abs(Date.parse(date) - Date.now()) < 60_000;

test('an answer without a date gets one, one that has keeps its own, and our own answers have one', async () => {
  using backend = new RecordingBackend();
  using live = await startDataplane([routeTo([backendAt(1, await backend.listen())], { matches: [{ host: 'a', path: '/' }] })], { http2: true });
  const ask = async (host: string) => {
    const client = new RawClient(live.address);
    client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    const text = await client.ended();
    client.close();
    return datesOf(text);
  };
  const old = 'Sun, 06 Nov 1994 08:49:37 GMT';
  backend.answer = (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  const [added, ...more] = await ask('a');
  ok(isRecent(added), `was ${added}`);
  deepEqual(more, []);
  const [own, ...others] = await ask('nobody');
  ok(isRecent(own), `was ${own}`);
  deepEqual(others, []);
  backend.answer = (socket) => socket.write(`HTTP/1.1 200 OK\r\ndate: ${old}\r\nContent-Length: 0\r\n\r\n`);
  deepEqual(await ask('a'), [old]);
  using client = new Http2Client(live.address);
  deepEqual((await client.ask({ ':authority': 'a' })).fields['date'], old);
  backend.answer = (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  ok(isRecent((await client.ask({ ':authority': 'a' })).fields['date']));
  ok(isRecent((await client.ask({ ':authority': 'nobody' })).fields['date']));
});
