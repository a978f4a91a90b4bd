import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { BalanceCandidate } from './candidate.ts';
import { fillMaglev, maglevPicker, ringPicker } from './consistent-hash.ts';
import { pickIdle } from './join-idle.ts';
import { hashText } from './key-hash.ts';

interface Backend extends BalanceCandidate {
  readonly id: string;
}

function backends(count: number, fields: (index: number) => Partial<Backend> = () => ({})): readonly Backend[] {
  return Array.from({ length: count }, (_, index) => {
    const id = `web.${index}`;
    return { id, hash: hashText(id), weight: 1, currentWeight: 0, effectiveWeight: 1, inFlight: 0, latency: undefined, ...fields(index) };
  });
}

const keys = Array.from({ length: 20_000 }, (_, index) => hashText(`user-${index}`));
const request = (keyHash: number, luck = 0) => ({ now: 0, luck, keyHash });

test('a key stays where it is when another backend leaves: on the ring always, with Maglev nearly', () => {
  for (const [make, most] of [
    [() => ringPicker(160), 0],
    [() => maglevPicker(65_537), 0.02],
  ] as const) {
    const [before, after] = [make(), make()];
    const ten = backends(10);
    let moved = 0;
    let kept = 0;
    for (const key of keys) {
      const was = before(ten, undefined, request(key))?.id;
      if (was === 'web.9') continue;
      if (after(ten.slice(0, 9), undefined, request(key))?.id === was) kept += 1;
      else moved += 1;
    }
    ok(kept > 15_000 && moved <= most * (moved + kept), `${moved} of ${moved + kept} moved`);
  }
});

test('shares follow weight on the ring, and are even with Maglev', () => {
  const counts = (pick: ReturnType<typeof ringPicker>, list: readonly Backend[]): readonly number[] => {
    const byId = new Map<string, number>();
    for (const key of keys) {
      const id = pick(list, undefined, request(key))?.id ?? '';
      byId.set(id, (byId.get(id) ?? 0) + 1);
    }
    return list.map((one) => (byId.get(one.id) ?? 0) / keys.length);
  };
  const [heavy = 0, light = 0] = counts(
    ringPicker(160),
    backends(2, (index) => ({ weight: index === 0 ? 3 : 1 })),
  );
  ok(Math.abs(heavy / light - 3) < 0.6, `${heavy} to ${light}`);
  for (const share of counts(maglevPicker(65_537), backends(8))) ok(Math.abs(share - 1 / 8) < 0.01, `${share}`);
});

test('who was tried or weighs nothing is passed over for one and the same other', () => {
  for (const pick of [ringPicker(160), maglevPicker(13)]) {
    const list = backends(4);
    const first = pick(list, undefined, request(keys[0] ?? 0));
    ok(first !== undefined);
    const second = pick(list, [first], request(keys[0] ?? 0));
    ok(second !== undefined && second !== first);
    equal(pick(list, [first], request(keys[0] ?? 0)), second);
    equal(pick(list, list, request(1)), undefined);
    equal(pick([], undefined, request(1)), undefined);
  }
  equal(
    maglevPicker(13)(
      backends(3, (index) => ({ weight: index === 1 ? 1 : 0 })),
      undefined,
      request(5),
    )?.id,
    'web.1',
  );
});

test('Maglev fills its table as in the paper', () => {
  const [first, second, third] = [
    { offset: 3, skip: 4 },
    { offset: 0, skip: 2 },
    { offset: 3, skip: 1 },
  ] as const;
  deepEqual([...fillMaglev([first, second, third], 7)], [1, 0, 1, 0, 2, 2, 0]);
  deepEqual([...fillMaglev([first, third], 7)], [0, 0, 0, 0, 1, 1, 1]);
});

test('an idle backend is found wherever the search begins; without one any usable serves', () => {
  const list = backends(4, (index) => ({ inFlight: index === 2 ? 0 : 3 }));
  for (const luck of [0, 0.3, 0.6, 0.99]) equal(pickIdle(list, undefined, request(0, luck))?.id, 'web.2');
  equal(pickIdle(list, [list[2] as Backend], request(0, 0.99))?.id, 'web.3');
  equal(
    pickIdle(
      backends(2, () => ({ weight: 0 })),
      undefined,
      request(0),
    ),
    undefined,
  );
  equal(pickIdle([], undefined, request(0)), undefined);
});
