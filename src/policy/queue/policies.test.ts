import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeQueuePolicy, POLICIES } from './policies.ts';

test('every policy is made from its bare name, and a string with options prints back the same', () => {
  for (const name of Object.keys(POLICIES)) assert.equal(makeQueuePolicy(name).name, name);
  for (const text of [
    'time-slice?quantum=100ms',
    'round-robin?quantum=5us',
    'mlfq?allotments=1ms,3ms&growth=2&boost=1s&demote=contended&preempt=no',
    'priority?order=high-first&preempt=yes&quantum=2s&ageing=1m',
    'stride?quantum=none',
    'fair-share?half-life=1d&quantum=10ms',
    'gang-las?thresholds=1h,10h',
  ]) {
    assert.equal(makeQueuePolicy(text).name, text);
  }
  assert.equal(makeQueuePolicy('time-slice?quantum=0.5s').name, 'time-slice?quantum=500ms');
});

test('an unknown policy, option or value is INVALID and says what there is', () => {
  for (const [text, message] of [
    ['shortest', /no queue policy "shortest"; there are fifo, lifo/],
    ['toString', /not a policy name/],
    ['constructor', /no queue policy "constructor"/],
    ['fifo?quantum=1ms', /fifo has no option "quantum"; it takes no options/],
    ['time-slice?quantum=fast', /must be a duration such as 100ms, at least 1us/],
    ['priority?order=first', /one of low-first, high-first/],
    ['mlfq?growth=0.5', /a number of at least 1, or none/],
  ] as const) {
    assert.throws(() => makeQueuePolicy(text), { code: 'INVALID', message });
  }
});
