import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { withSettings } from './settings.ts';

test('a setting is added to env of the app', () => {
  deepEqual(withSettings({ name: 'shop', env: { A: '1' } }, ['B=x=y', 'A=2', 'C='], undefined), { name: 'shop', env: { A: '2', B: 'x=y', C: '' } });
});

test('a setting also replaces what a service or the chosen environment would set instead', () => {
  const config = {
    name: 'shop',
    web: { env: { A: 'service', B: 'service' } },
    environments: { staging: { env: { A: 'staging' }, web: { count: 1, env: { A: 'staging' } } }, live: { env: { A: 'live' } } },
  };
  deepEqual(withSettings(config, ['A=set'], 'staging'), {
    name: 'shop',
    web: { env: { A: 'set', B: 'service' } },
    env: { A: 'set' },
    environments: { staging: { env: { A: 'set' }, web: { count: 1, env: { A: 'set' } } }, live: { env: { A: 'live' } } },
  });
});

test('without settings, or when it is no object, the config is as it was', () => {
  const config = { name: 'shop' };
  equal(withSettings(config, [], undefined), config);
  equal(withSettings('text', ['A=1'], undefined), 'text');
});

test('a setting that is none is refused', () => {
  for (const text of ['A', '=1', 'A-B=1', '1A=1', '']) throws(() => withSettings({}, [text], undefined), { code: 'INVALID', message: /VARIABLE=value/ }, text);
});
