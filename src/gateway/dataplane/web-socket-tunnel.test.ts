import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameTracker } from './frame-tracker.ts';
import { WebSocketTunnel } from './web-socket-tunnel.ts';

interface Frame {
  readonly opcode: number;
  readonly length: number;
  readonly masked: boolean;
  /** As RFC 6455 asks, or longer than need be. */
  readonly form: 0 | 126 | 127;
}

function bytesOf({ opcode, length, masked, form }: Frame): Buffer {
  const kind = form === 127 || length > 65_535 ? 127 : form === 126 || length > 125 ? 126 : 0;
  const head = [0x80 | opcode, (masked ? 0x80 : 0) | (kind === 0 ? length : kind)];
  const size = Buffer.alloc(kind === 127 ? 8 : kind === 126 ? 2 : 0);
  if (kind === 127) size.writeBigUInt64BE(BigInt(length));
  if (kind === 126) size.writeUInt16BE(length);
  return Buffer.concat([Buffer.from(head), size, Buffer.alloc(masked ? 4 : 0, 7), Buffer.alloc(length, 0x88)]);
}

const frame = fc.record({
  opcode: fc.constantFrom(0, 1, 2, 9, 10),
  length: fc.oneof(fc.integer({ min: 0, max: 130 }), fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000)),
  masked: fc.boolean(),
  form: fc.constantFrom(0 as const, 126 as const, 127 as const),
});

test('however frames are cut into pieces, it is between two exactly at the end of each', () => {
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1, maxLength: 5 }), fc.array(fc.integer({ min: 1, max: 5_000 }), { maxLength: 30 }), (frames, cuts) => {
      const parts = frames.map(bytesOf);
      const ends = new Set([0]);
      let total = 0;
      for (const part of parts) {
        total += part.length;
        ends.add(total);
      }
      const bytes = Buffer.concat(parts);
      const tracker = new FrameTracker();
      for (let at = 0, i = 0; at < total; i++) {
        const next = Math.min(total, at + (cuts[i % Math.max(1, cuts.length)] ?? total));
        tracker.add(bytes, at, next);
        at = next;
        equal(tracker.isBetween, ends.has(at), `at ${at}`);
      }
      equal(tracker.hasClosed, false);
    }),
  );
});

test('each byte of headers of every form alone', () => {
  for (const length of [0, 1, 125, 126, 65_535, 65_536]) {
    for (const masked of [false, true]) {
      const bytes = bytesOf({ opcode: 2, length, masked, form: 0 });
      const tracker = new FrameTracker();
      for (let at = 0; at < bytes.length; at++) {
        equal(tracker.isBetween, at === 0);
        tracker.add(bytes, at, at + 1);
      }
      equal(tracker.isBetween, true);
    }
  }
});

test('a Close is seen, and nothing is said after it; in the middle of a frame nothing is said either', () => {
  const tunnel = new WebSocketTunnel({ openedAt: 0, luck: 0 });
  deepEqual(tunnel.lastToClient, Buffer.from([0x88, 2, 0x03, 0xe9]));
  const last = tunnel.lastToBackend as Buffer;
  deepEqual([last[0], last[1], last.length], [0x88, 0x82, 8]);
  equal(((last[6] as number) ^ (last[2] as number)) * 256 + ((last[7] as number) ^ (last[3] as number)), 1_001);
  const half = bytesOf({ opcode: 1, length: 10, masked: false, form: 0 });
  tunnel.toClient.add(half, 0, 5);
  const lengthToClient = () => tunnel.lastToClient?.length;
  equal(lengthToClient(), undefined);
  tunnel.toClient.add(half, 5, half.length);
  equal(lengthToClient(), 4);
  const close = bytesOf({ opcode: 8, length: 2, masked: true, form: 0 });
  tunnel.toBackend.add(close, 0, close.length);
  equal(tunnel.lastToBackend, undefined);
});

test('a tunnel ends when its drain says, at the end of a frame if that comes within a second', () => {
  const drains = [{ since: 0, drainMs: 10_000 }, undefined];
  const tunnel = new WebSocketTunnel({ openedAt: 0, luck: 0 });
  // Half of a short drain is for the ends.
  deepEqual(
    [4_999, 5_000].map((now) => tunnel.isDue(now, drains)),
    [false, true],
  );
  const half = bytesOf({ opcode: 1, length: 10, masked: false, form: 0 });
  tunnel.toBackend.add(half, 0, 5);
  deepEqual(
    [5_000, 5_999, 6_000].map((now) => tunnel.isDue(now, drains)),
    [false, false, true],
  );
  tunnel.toBackend.add(half, 5, half.length);
  equal(tunnel.isDue(5_000, drains), true);
  equal(tunnel.isDue(1e12, [undefined, undefined]), false);
});
