import { equal, ok } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePortBase } from './port-base.ts';

const module = fileURLToPath(new URL('./port-base.ts', import.meta.url));

test('a port base is nobody else’s while its taker lives, below the ports of instances and of outgoing connections', async () => {
  const bases = [await freePortBase(), await freePortBase()];
  const print = `console.log((await (await import(${JSON.stringify(module)})).freePortBase()))`;
  for (let other = 0; other < 3; other++) bases.push(Number(execFileSync(process.execPath, ['--input-type=module', '-e', print], { encoding: 'utf8' })));
  equal(bases.slice(0, 2).includes(bases[2] ?? 0), false);
  equal(new Set(bases.slice(0, 2)).size, 2);
  for (const base of bases) ok(base >= 8_000 && base < 20_000, String(base));
});
