import { deepEqual, equal, match } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRing } from './dataplane/ring/open-ring.ts';

/** Opens a ring with so many files left, the library having been loaded before. */
const PROGRAM = `
import { openSync, closeSync, readdirSync } from 'node:fs';
const { systemCalls } = await import(process.argv[1] + '/system-calls.ts');
const { openRing } = await import(process.argv[1] + '/open-ring.ts');
systemCalls();
const open = () => { const list = readdirSync('/proc/self/fd'); return list.length; };
const before = open();
const told = [];
for (const left of [0, 1]) {
  const taken = [];
  try {
    for (;;) taken.push(openSync('/dev/null'));
  } catch {}
  for (let i = 0; i < left; i++) closeSync(taken.pop());
  const { ring, reason } = openRing();
  for (const file of taken) closeSync(file);
  told.push({ ring: ring !== undefined, reason, leaked: open() - before });
}
const { ring } = openRing();
console.log(JSON.stringify({ told, then: ring !== undefined }));
`;

const { ring, ...without } = openRing();
const skip = ring === undefined && 'reason' in without ? `no io_uring: ${without.reason}` : false;

test('a ring that cannot be opened whole leaves no file open, says why, and keeps no later one from being opened', { skip }, () => {
  const folder = join(import.meta.dirname, 'dataplane/ring');
  // A shell sets the limit that its program then has.
  const command = ['-c', 'ulimit -n 128; exec "$0" "$@"', process.execPath, '--input-type=module', '-e', PROGRAM, folder];
  const { stdout, stderr } = spawnSync('sh', command, { encoding: 'utf8', timeout: 20_000 });
  match(stdout, /^\{/, stderr);
  deepEqual(JSON.parse(stdout), {
    told: [
      { ring: false, reason: 'io_uring_setup: too many open files (EMFILE)', leaked: 0 },
      { ring: false, reason: 'eventfd: too many open files (EMFILE)', leaked: 0 },
    ],
    then: true,
  });
});

test('without the library that makes the system calls there is no ring, and one line says why', () => {
  const resolved = JSON.stringify(join(import.meta.dirname, 'dataplane/ring/open-ring.ts'));
  // The loader of modules finds no such library, as where an installation has left it out.
  const program = `
    import module from 'node:module';
    const found = module._resolveFilename;
    module._resolveFilename = (name, ...rest) => found(name === 'koffi' ? './no-such-library' : name, ...rest);
    const { openRing } = await import(${resolved});
    const { ring, isWanted, reason } = openRing();
    console.log(JSON.stringify({ ring: ring !== undefined, isWanted, lines: reason.split('\\n').length }));
  `;
  const env = { ...process.env, HAVEN_GATEWAY_RING: '' };
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', timeout: 20_000, env });
  equal(stdout.trim(), '{"ring":false,"isWanted":true,"lines":1}', stderr);
});
