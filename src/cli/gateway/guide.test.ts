import { deepEqual, ok } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { resolveGatewayConfig } from '#gateway/standalone/resolve-config';
import { BALANCERS } from '#policy/balance/balancers';

const guide = readFileSync(new URL('../../../docs/gateway-standalone.md', import.meta.url), 'utf8');

test('every file in the guide is valid', () => {
  const files = [...guide.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map((match) => match[1] ?? '');
  ok(files.length >= 2);
  for (const file of files) deepEqual(resolveGatewayConfig(parse(file), { secret: '' }).ok, true, file);
});

test('the guide names every policy of the gateway', () => {
  const missing = Object.keys(BALANCERS).filter((name) => !guide.includes(`| \`${name}\` |`));
  deepEqual(missing, []);
});
