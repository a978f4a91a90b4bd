import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import { withNext } from './output.ts';

test('what to do next follows as a sentence of its own, once', () => {
  equal(withNext('Haven is not running here', 'haven up'), 'Haven is not running here. Next: haven up');
  equal(withNext('Cannot find app "shpo"; did you mean "shop"?', 'haven status'), 'Cannot find app "shpo"; did you mean "shop"? Next: haven status');
  equal(withNext('It runs already. Next: haven status', 'haven down'), 'It runs already. Next: haven status');
  equal(withNext('It failed', undefined), 'It failed');
  equal(withNext('It has 1 mistake:\na.json:1: it is wrong', 'mend it'), 'It has 1 mistake:\na.json:1: it is wrong\nNext: mend it');
});
