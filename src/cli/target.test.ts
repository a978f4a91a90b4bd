import { deepEqual, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { parseScale, parseServiceTarget, parseTarget } from './target.ts';

test('a target is an app, a service, an instance by slot or an instance by its full id', () => {
  deepEqual(['shop', 'shop/web', 'shop/web.2', 'shop.web.2-7'].map(parseTarget), [
    { app: 'shop' },
    { app: 'shop', service: 'web' },
    { app: 'shop', service: 'web', slot: 2 },
    { app: 'shop', service: 'web', slot: 2, id: 'shop.web.2-7' },
  ]);
});

test('a target of another form is refused with the forms there are', () => {
  for (const text of ['', 'Shop', 'shop/', 'shop/web.', 'shop/web.x', '../etc', 'shop/web/2', 'a.b.c', 'shop/web.2-7']) {
    throws(() => parseTarget(text), { code: 'INVALID', message: /shop\/web\.2/ }, text);
  }
});

test('an app where a service is needed is refused with how to write it', () => {
  throws(() => parseServiceTarget('shop'), { code: 'INVALID', message: /shop\/SERVICE/ });
});

test('a scale names its app once', () => {
  deepEqual(parseScale(['shop/web=5', 'api=2', 'blog/web=0']), [
    { app: 'shop', service: 'web', count: 5 },
    { app: 'shop', service: 'api', count: 2 },
    { app: 'blog', service: 'web', count: 0 },
  ]);
});

test('a scale without an app, a count or a valid name is refused', () => {
  for (const text of ['web=5', 'shop/web', 'shop/web=', 'shop/web=-1', 'shop/web=1.5', 'shop/Web=1', 'shop=3']) {
    throws(() => parseScale([text]), { code: 'INVALID', message: /APP\/SERVICE=COUNT/ }, text);
  }
});
