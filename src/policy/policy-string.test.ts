import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  canonicalPolicy,
  choiceOption,
  durationOption,
  integerOption,
  listOption,
  numberOption,
  orUnlimited,
  parsePolicyString,
  printPolicyString,
  readOptions,
} from './policy-string.ts';

const KINDS = {
  tie: choiceOption(['id', 'random']),
  sample: orUnlimited(integerOption(Number.POSITIVE_INFINITY, { least: 1 })),
  quantum: durationOption(100_000),
  boost: numberOption(1, { least: 0, most: 2 }),
  allotments: listOption(durationOption(1_000), [1_000]),
};

test('a policy string prints back the same and reads to typed options', () => {
  const text = 'best-fit?tie=random&sample=500&quantum=100ms&allotments=1ms,3s';
  const policy = parsePolicyString(text);
  assert.equal(printPolicyString(policy), text);
  assert.equal(canonicalPolicy(policy, KINDS), text);
  assert.deepEqual(readOptions(policy, KINDS), { tie: 'random', sample: 500, quantum: 100_000, boost: 1, allotments: [1_000, 3_000_000] });
});

test('absent options take their fallback and values print in their shortest form', () => {
  assert.deepEqual(readOptions(parsePolicyString('x'), KINDS).sample, Number.POSITIVE_INFINITY);
  assert.equal(canonicalPolicy(parsePolicyString('x?quantum=0.1s&sample=all'), KINDS), 'x?quantum=100ms&sample=all');
});

test('each mistake in a policy string is INVALID and says what would be accepted', () => {
  const bad: readonly (readonly [string, RegExp])[] = [
    ['', /not a policy name/],
    ['Best', /not a policy name/],
    ['x?', /not an option of the form key=value/],
    ['x?tie', /not an option of the form key=value/],
    ['x?tie=', /not an option of the form key=value/],
    ['x?tie=id&tie=id', /"tie" is given twice/],
    ['x?colour=red', /no option "colour"; it knows tie, sample/],
    ['x?tie=best', /"tie" is "best", but it must be one of id, random/],
    ['x?sample=0', /"sample" is "0", but it must be a whole number of at least 1, or all/],
    ['x?sample=1.5', /whole number/],
    ['x?quantum=5', /duration such as 100ms/],
    ['x?quantum=0ms', /at least 1us/],
    ['x?boost=NaN', /a number from 0 to 2/],
    ['x?allotments=1ms,,2ms', /a list joined by commas/],
  ];
  for (const [text, message] of bad) {
    assert.throws(() => readOptions(parsePolicyString(text), KINDS), { name: 'PlatformError', code: 'INVALID', message });
  }
});
