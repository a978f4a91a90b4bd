import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Trial } from './capacity.ts';
import { searchCapacity, verdictOf } from './capacity.ts';

/** 99th percentile of wait of M/M/c (Erlang C), one arrival-unit of work per `work`. */
function waitOf(workers: number, work: number): number {
  let blocked = 1;
  for (let count = 1; count <= workers; count += 1) blocked = (work * blocked) / (count + work * blocked);
  const waits = (workers * blocked) / (workers - work * (1 - blocked));
  return waits <= 0.01 ? 0 : Math.log(waits / 0.01) / (workers - work);
}

async function search(work: number, target: number, options: { readonly noise?: number; readonly most?: number } = {}) {
  const asked: number[] = [];
  const answer = await searchCapacity({
    target,
    work,
    most: options.most ?? 1_000,
    evaluate: (workers): Promise<Trial> => {
      asked.push(workers);
      const value = waitOf(workers, work);
      return Promise.resolve({ workers, measured: { value, halfWidth: value * (options.noise ?? 0) }, met: value <= target ? 1 : 0 });
    },
  });
  return { answer, asked };
}

test('the fewest workers that meet the target are found, in few trials', async () => {
  for (const [work, target] of [
    [0.5, 1],
    [9, 0.2],
    [90, 0.05],
    [450, 0.01],
  ] as const) {
    let expected = Math.floor(work) + 1;
    while (waitOf(expected, work) > target) expected += 1;
    const { answer, asked } = await search(work, target);
    assert.equal(answer.workers, expected, `work ${work}`);
    assert.deepEqual(answer.bracket, [expected, expected]);
    assert.ok(asked.length <= 16 && new Set(asked).size === asked.length, `${asked.length} trials`);
  }
});

test('what is too close to call widens the bracket, and only sure answers are given', async () => {
  const { answer } = await search(90, 0.05, { noise: 0.2 });
  const [possible, sure] = answer.bracket ?? [0, 0];
  assert.ok(possible < sure);
  assert.equal(answer.workers, sure);
  assert.equal(answer.trials.find((trial) => trial.workers === sure)?.verdict, 'enough');
  assert.equal(verdictOf({ workers: 1, measured: { value: 1, halfWidth: 0.1 }, met: 0 }, 1.05), 'unclear');
});

test('when the most workers allowed are not enough, there is no answer', async () => {
  const { answer } = await search(90, 0.05, { most: 92 });
  assert.deepEqual([answer.workers, answer.bracket, answer.least], [undefined, undefined, 91]);
});

test('a target below what the jobs themselves take is given up soon', async () => {
  const evaluate = (workers: number): Promise<Trial> => Promise.resolve({ workers, measured: { value: 2 + 1 / workers ** 4, halfWidth: 0 }, met: 0 });
  const answer = await searchCapacity({ target: 1.5, work: 3, most: 1_000, evaluate });
  assert.deepEqual([answer.workers, answer.isFloor], [undefined, true]);
  assert.ok(answer.trials.length <= 6, `${answer.trials.length}`);
});

test('an interrupted search answers with what was tried', async () => {
  const answer = await searchCapacity({ target: 1, work: 3, most: 10, evaluate: () => Promise.resolve(undefined) });
  assert.deepEqual([answer.workers, answer.trials, answer.least], [undefined, [], 4]);
});
