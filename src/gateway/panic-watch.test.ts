import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { PanicWatch } from './panic-watch.ts';

test('a panic is said once when the first worker sees it and once when the last is over it', () => {
  const logged: string[] = [];
  const watch = new PanicWatch({ write: (level, _message, fields) => void logged.push(`${level} ${fields?.['service']}`) });
  watch.note(1, ['shop/web']);
  watch.note(2, ['shop/web', 'shop/api']);
  watch.note(1, []);
  watch.note(2, ['shop/api']);
  watch.note(2, []);
  deepEqual(logged, ['warn shop/web', 'warn shop/api', 'info shop/web', 'info shop/api']);
});
