import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConnectionCounts } from './connection-counts.ts';

test('a client has at most so many connections; who leaves makes room, once', () => {
  const counts = new ConnectionCounts();
  const first = counts.enter('192.0.2.1', 2);
  ok(first);
  ok(counts.enter('192.0.2.1', 2));
  equal(counts.enter('192.0.2.1', 2), undefined);
  ok(counts.enter('192.0.2.2', 2), 'another client has its own');
  first();
  first();
  ok(counts.enter('192.0.2.1', 2));
  equal(counts.enter('192.0.2.1', 2), undefined);
  deepEqual([counts.refused.client, counts.clients], [2, 2]);
});

test('the addresses of one /64 are one client', () => {
  const counts = new ConnectionCounts();
  ok(counts.enter('2001:db8::1', 1));
  equal(counts.enter('2001:db8::ffff:2', 1), undefined);
  ok(counts.enter('2001:db8:0:1::1', 1));
});

test('after any comings and goings nobody is remembered who has nothing', () => {
  const step = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.boolean());
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const counts = new ConnectionCounts();
      const here: (() => void)[][] = [[], [], [], []];
      for (const [who, comes] of steps) {
        const mine = here[who] as (() => void)[];
        if (!comes) mine.pop()?.();
        else {
          const leave = counts.enter(`192.0.2.${who}`, 3);
          equal(leave === undefined, mine.length === 3);
          if (leave !== undefined) mine.push(leave);
        }
        equal(counts.clients, here.filter(({ length }) => length > 0).length);
      }
      for (const leave of here.flat()) leave();
      equal(counts.clients, 0);
    }),
  );
});
