import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backoffMs } from './backoff.ts';
import { compareBytes, formatSize, parseSizeBytes, toBytes, toText } from './bytes.ts';
import { formatDuration, parseDurationMs } from './duration.ts';
import { hasCode, messageOf, PlatformError } from './errors.ts';
import { Heap } from './heap.ts';
import { isName, parseName } from './name.ts';

test('a heap gives its items back in order, whatever is pushed and popped between', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer(), { nil: undefined })), (operations) => {
      const heap = new Heap<number>((a, b) => a < b);
      const model: number[] = [];
      for (const item of operations) {
        if (item === undefined) {
          assert.equal(heap.pop(), model.shift());
        } else {
          heap.push(item);
          model.push(item);
          model.sort((a, b) => a - b);
        }
        assert.deepEqual([heap.size, heap.peek()], [model.length, model[0]]);
      }
    }),
  );
});

test('a backoff doubles up to its cap and jitters within its share', () => {
  const backoff = { baseMs: 100, capMs: 5_000, jitter: 0.25 };
  assert.deepEqual(
    [0, 1, 2, 10, 10_000].map((attempt) => backoffMs(backoff, attempt, 0.5)),
    [100, 200, 400, 5_000, 5_000],
  );
  fc.assert(
    fc.property(fc.nat(100), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, luck) => {
      const middleMs = Math.min(5_000, 100 * 2 ** Math.min(attempt, 30));
      const delayMs = backoffMs(backoff, attempt, luck);
      assert.ok(delayMs >= 0.75 * middleMs - 1e-9 && delayMs <= 1.25 * middleMs + 1e-9);
      const full = backoffMs({ ...backoff, jitter: 1 }, attempt, luck);
      assert.ok(full >= 0 && full <= middleMs);
    }),
  );
});

test('a duration parses back from its text to the same number', () => {
  fc.assert(fc.property(fc.nat({ max: 10 ** 12 }), (durationMs) => assert.equal(parseDurationMs(formatDuration(durationMs)), durationMs)));
  assert.deepEqual([formatDuration(0), formatDuration(90_000), formatDuration(250), formatDuration(7_200_000)], ['0s', '90s', '250ms', '2h']);
  assert.equal(parseDurationMs('1.5s'), 1_500);
});

test('text that is no duration or no size is INVALID and named', () => {
  for (const text of ['', '10', 's', '-1s', '1 s', '1S', '1e3s', '10s10s']) assert.throws(() => parseDurationMs(text), { code: 'INVALID' }, text);
  for (const text of ['', '10', 'Mi', '-1Mi', '1 Mi', '1mi', '1e3Mi', '1K']) assert.throws(() => parseSizeBytes(text), { code: 'INVALID' }, text);
  assert.throws(() => parseDurationMs('soon'), /"soon"/);
});

test('sizes are read in both unit systems and shown in binary ones', () => {
  assert.deepEqual(['512Mi', '1.5Gi', '10G', '100B', '1k'].map(parseSizeBytes), [512 * 2 ** 20, 1.5 * 2 ** 30, 1e10, 100, 1_000]);
  assert.deepEqual([512 * 2 ** 20, 1.5 * 2 ** 30, 100, 0].map(formatSize), ['512Mi', '1.5Gi', '100B', '0B']);
});

test('bytes are ordered as in etcd: a prefix comes first, then byte by byte, unsigned', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      assert.equal(Math.sign(compareBytes(a, b)), Math.sign(Buffer.compare(a, b)));
    }),
  );
});

test('text goes through bytes and back; bytes that are no text throw', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => assert.equal(toText(toBytes(text)), text)));
  assert.throws(() => toText(Uint8Array.of(0xff)), TypeError);
});

test('a name is 1 to 40 of a-z, 0-9 and hyphen, with no hyphen at an end', () => {
  for (const name of ['a', '0', 'a-b', 'a--b', 'a'.repeat(40)]) assert.equal(isName(name), true, name);
  for (const name of ['', '-', 'a-', '-a', 'A', 'a.b', 'a/b', '..', 'a\n', 'ä', 'a'.repeat(41)]) {
    assert.equal(isName(name), false, name);
    assert.throws(() => parseName(name, 'a node'), { code: 'INVALID', message: /a node/ });
  }
});

test('an error is known by its code and keeps its facts and its cause', () => {
  const cause = new Error('below');
  const error = new PlatformError('CONFLICT', 'Cannot put', { key: 'a' }, { cause });
  assert.deepEqual([hasCode(error, 'CONFLICT'), hasCode(error, 'INVALID'), hasCode(cause, 'CONFLICT')], [true, false, false]);
  assert.deepEqual([error.details, error.cause, messageOf(error), messageOf('text')], [{ key: 'a' }, cause, 'Cannot put', 'text']);
});
