import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { HeldQueue, type HeldRequest } from './held-queue.ts';

const wide = { requests: 512, bytes: 1_000_000 };

class Waiting implements HeldRequest {
  readonly name: string;
  readonly heldUntil: number;
  retryAt = 0;
  heldBytes = 10;
  onGo: () => void = () => undefined;
  readonly #log: string[];

  constructor(name: string, heldUntil: number, log: string[]) {
    this.name = name;
    this.heldUntil = heldUntil;
    this.#log = log;
  }

  dispatchHeld(): void {
    this.#log.push(`${this.name} goes`);
    this.onGo();
  }

  holdExpired(): void {
    this.#log.push(`${this.name} gives up`);
  }
}

test('first come, first served; who finds no room has its old place again (R-28)', () => {
  const log: string[] = [];
  const queue = new HeldQueue();
  const [a, b, c] = [new Waiting('a', 100, log), new Waiting('b', 200, log), new Waiting('c', 300, log)];
  for (const request of [a, b, c]) equal(queue.add(request, wide), true);
  let room = 1;
  a.onGo = () => {
    queue.add(a, wide);
  };
  queue.release(() => room-- > 0);
  deepEqual(log, ['a goes']);
  room = 2;
  a.onGo = () => undefined;
  queue.release(() => room-- > 0);
  deepEqual(log.slice(1), ['a goes', 'b goes']);
  equal(queue.size, 1);
});

test('a release asks nobody twice, even if all come back', () => {
  const log: string[] = [];
  const queue = new HeldQueue();
  for (const name of ['a', 'b', 'c']) {
    const request = new Waiting(name, 100, log);
    request.onGo = () => {
      queue.add(request, wide);
    };
    queue.add(request, wide);
  }
  queue.release(() => true);
  deepEqual(log.length, 3);
  equal(queue.size, 3);
});

test('neither more requests nor more bytes than the bounds, and what leaves makes room', () => {
  const log: string[] = [];
  const queue = new HeldQueue();
  const large = new Waiting('large', 100, log);
  large.heldBytes = 90;
  const bounds = { requests: 2, bytes: 100 };
  equal(queue.add(large, bounds), true);
  equal(queue.add(new Waiting('a', 100, log), bounds), true);
  equal(queue.add(new Waiting('b', 100, log), bounds), false, 'a third request');
  queue.remove(large);
  // What it holds may have grown meanwhile; what was counted is given back.
  large.heldBytes = 95;
  equal(queue.add(large, bounds), false, 'five bytes too many');
  large.heldBytes = 90;
  equal(queue.add(large, bounds), true);
});

test('a sweep gives up who waited too long and lets one ask, but none at a server that has just failed it', () => {
  const log: string[] = [];
  const queue = new HeldQueue();
  const [late, fresh, other] = [new Waiting('late', 100, log), new Waiting('fresh', 5_000, log), new Waiting('other', 6_000, log)];
  fresh.retryAt = 900;
  for (const request of [late, fresh, other]) queue.add(request, wide);
  queue.sweep(100, true);
  deepEqual(log, ['late gives up', 'other goes']);
  queue.sweep(200, true);
  queue.sweep(900, false);
  equal(log.length, 2);
  queue.sweep(900, true);
  deepEqual(log.slice(2), ['fresh goes']);
  queue.add(late, wide);
  queue.giveUpAll();
  deepEqual([log.at(-1), queue.size], ['late gives up', 0]);
});
