import { execFile } from 'node:child_process';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { nodeWorld } from '../node/node-world.ts';
import type { ProcessIdentity, ProcessSpec } from '../world.ts';
import type { WorldUnderTest } from './world-under-test.ts';

/** This machine. Its log is silent, so that expected failures do not fill the screen. */
export function realWorld(): WorldUnderTest {
  const world = nodeWorld({ logLevel: 'error', logName: 'conformance', writeLog: () => undefined });
  return {
    name: 'real',
    programs: {
      exitWith: (code) => shell(`exit ${code}`),
      print: (text) => ({ ...shell('printf %s "$1"'), args: ['-c', 'printf %s "$1"', 'print', text] }),
      waitForever: () => shell('exec sleep 60'),
      waitWithChild: () => shell('sleep 60 & wait'),
      leaveChild: () => shell('sleep 60 & exit 0'),
      holdLock: (path) => ({ ...shell(''), command: process.execPath, args: [join(import.meta.dirname, 'hold-lock.ts'), path] }),
    },
    async run(body) {
      const directory = await realpath(await mkdtemp(join(tmpdir(), 'haven-conformance-')));
      try {
        await body({ world, directory });
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    },
    async startInAnotherLife(_, spec) {
      const script = join(import.meta.dirname, 'start-process.ts');
      const { stdout } = await promisify(execFile)(process.execPath, [script, JSON.stringify(spec)]);
      return JSON.parse(stdout) as ProcessIdentity;
    },
  };
}

function shell(script: string): ProcessSpec {
  return { command: 'sh', args: ['-c', script], workingDirectory: tmpdir(), environment: { PATH: process.env.PATH ?? '/usr/bin:/bin' } };
}
