import { deepEqual, equal, ok } from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { monotonicNow } from './dataplane/clock.ts';
import { Mutator } from './dataplane/fuzz.ts';
import { Http2Client, startDataplane } from './fixture-dataplane.ts';
import { FLAG, FRAME, fieldsOf, frame, headers, PREFACE, settings } from './fixture-frames.ts';
import { HTTP2_CASES, SMUGGLED } from './fixture-http2-cases.ts';
import { backendAt, routeTo, until } from './live-fixture.ts';
import { RecordingBackend } from './recording-backend.ts';

/** How many streams: STREAMS for a longer run. */
const count = Number(process.env['STREAMS'] ?? 1_500);
const seed = Number(process.env['SEED'] ?? 20_261_127);
const lanes = 20;
const mostBytes = 64 * 1024;
const mostStallMs = 2_000;

const SEEDS: readonly Buffer[] = [
  ...HTTP2_CASES.map(({ frames }) => Buffer.concat(frames)),
  ...SMUGGLED.map(({ fields }) => headers(1, fields)),
  Buffer.concat([headers(1, fieldsOf({ ':method': 'POST' }), FLAG.endHeaders), frame(FRAME.data, 0, 1, Buffer.alloc(500, 'x')), frame(FRAME.data, 1, 1, [1])]),
  Buffer.concat(Array.from({ length: 8 }, (_, i) => headers(1 + 2 * i, fieldsOf({ ':path': `/${i}` })))),
].filter(({ length }) => length > 0 && length < mostBytes);

/** Frames of the cases with bits flipped, parts cut out, doubled and joined: the same seed gives the same bytes. */
function mutated(mutator: Mutator): Buffer {
  const pick = () => SEEDS[mutator.luck(SEEDS.length)] as Buffer;
  let bytes = Buffer.concat([settings([1, 0]), ...Array.from({ length: 1 + mutator.luck(4) }, pick)]);
  for (let left = mutator.luck(4); left > 0; left--) {
    const at = mutator.luck(bytes.length);
    const to = Math.min(bytes.length, at + mutator.luck(24));
    const parts = [
      () => [bytes.subarray(0, at), Buffer.from([(bytes[at] as number) ^ (1 << mutator.luck(8))]), bytes.subarray(at + 1)],
      () => [bytes.subarray(0, at), bytes.subarray(to)],
      () => [bytes.subarray(0, to), bytes.subarray(at)],
      () => [bytes.subarray(0, at), pick()],
      () => [bytes.subarray(0, at)],
    ][mutator.luck(5)];
    if (parts !== undefined) bytes = Buffer.concat(parts());
  }
  return Buffer.concat([mutator.luck(20) === 0 ? PREFACE.subarray(0, mutator.luck(24)) : PREFACE, bytes.subarray(0, mostBytes)]);
}

async function send(address: { readonly host: string; readonly port: number }, bytes: Buffer, cuts: readonly number[]): Promise<void> {
  const over = Promise.withResolvers<void>();
  const socket = connect(address);
  socket.on('error', () => undefined);
  socket.on('close', () => over.resolve());
  socket.resume();
  let from = 0;
  for (const to of cuts) {
    socket.write(bytes.subarray(from, to));
    from = to;
    await new Promise(setImmediate);
  }
  socket.end();
  await over.promise;
}

test('no mutated stream of frames crashes or stalls the data plane, reaches a backend with what it should not, or leaves anything behind', async () => {
  const backend = new RecordingBackend();
  using live = await startDataplane([routeTo([backendAt(1, await backend.listen())])], { http2: true });
  using canary = new Http2Client(live.address);
  const mutator = new Mutator(seed);
  let worstMs = 0;
  let last = monotonicNow();
  const watch = setInterval(() => {
    worstMs = Math.max(worstMs, monotonicNow() - last);
    last = monotonicNow();
  }, 5);
  for (let sent = 0; sent < count; sent += lanes) {
    await Promise.all(
      Array.from({ length: lanes }, async () => {
        const bytes = mutated(mutator);
        await send(live.address, bytes, mutator.cuts(bytes.length));
      }),
    );
    const { status, body } = await canary.ask({ ':path': `/canary-${sent}` });
    deepEqual([status, body.toString()], [200, `/canary-${sent}`], `seed ${seed}, after ${sent} streams`);
  }
  clearInterval(watch);
  for (const request of backend.requests)
    ok(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+ (?:\/|\*)[!-~]* HTTP\/1\.1\r\n/.test(request), JSON.stringify(request.slice(0, 200)));
  await until(() => live.dataplane.plane.clients.size === 1, 'only the canary is left');
  equal(live.dataplane.services.get('shop/web')?.inFlight, 0);
  ok(worstMs < mostStallMs, `the event loop stood still for ${worstMs.toFixed(0)} ms`);
  backend[Symbol.dispose]();
});
