import { equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { Gathering } from './gathering.ts';

/** How many of the requests of so many turns waited. */
function waited(gathering: Gathering, turns: number, requestsEach: number): number {
  let count = 0;
  for (let turn = 0; turn < turns; turn++) {
    for (let request = 0; request < requestsEach; request++) if (gathering.waits()) count++;
    gathering.turned();
  }
  return count;
}

test('while turns have many requests all of them wait for the end of theirs', () => {
  equal(waited(new Gathering(), 1_000, 12), 12_000);
});

test('while turns have one request it is sent at once, but for one in 16', () => {
  const gathering = new Gathering();
  waited(gathering, 100, 1);
  equal(waited(gathering, 1_600, 1), 100);
});

test('when turns have many again, some hundred requests later all wait', () => {
  const gathering = new Gathering();
  waited(gathering, 1_000, 1);
  waited(gathering, 32, 12);
  equal(waited(gathering, 100, 12), 1_200);
});

test('in a turn in which one waits all do, so that they are counted', () => {
  const gathering = new Gathering();
  waited(gathering, 1_000, 1);
  let first = 0;
  while (!gathering.waits()) first++;
  ok(first < 16);
  for (let i = 0; i < 20; i++) ok(gathering.waits());
});
