import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

test('actions come one after the other in the order in which they were asked for; one that fails is logged and stops none', async () => {
  const logged: string[] = [];
  const turns = new Turns({ write: (_level, message, fields) => void logged.push(`${message}: ${fields?.['cause']}`) });
  const seen: string[] = [];
  let underWay = 0;
  const action = (name: string) => async (): Promise<string> => {
    underWay++;
    equal(underWay, 1);
    await new Promise((resolve) => setImmediate(resolve));
    underWay--;
    seen.push(name);
    if (name === 'b') throw new Error('no');
    return name;
  };
  const outcomes = await Promise.allSettled(['a', 'b', 'c'].map(async (name) => await turns.take(action(name), `${name} failed`)));
  deepEqual(seen, ['a', 'b', 'c']);
  deepEqual(
    outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : outcome.reason.message)),
    ['a', 'no', 'c'],
  );
  deepEqual(logged, ['b failed: no']);
});
