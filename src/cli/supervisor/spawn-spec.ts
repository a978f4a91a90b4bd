import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProcessSpec } from '#world/world';
import { type Home, pathsOf } from '../home.ts';

const processesFolder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'processes');

/** These programs keep little and make little garbage: small halves of the young generation, in MiB, cost them no time and save tens of MiB. */
const SMALL_HEAP = ['--max-semi-space-size=2'];

/** How one of Haven's own processes is started: this Node, the entry file, its folder and log. The environment carries nothing of the caller's but what is named. */
export function spawnSpec(home: Home, options: { readonly entry: string; readonly name: string; readonly args: readonly string[] }): ProcessSpec {
  const { PATH = '/usr/local/bin:/usr/bin:/bin', HOME = home.directory, LANG, TZ } = process.env;
  return {
    command: process.execPath,
    args: [...SMALL_HEAP, join(processesFolder, options.entry), ...options.args],
    workingDirectory: home.directory,
    environment: {
      // This Node first, so that apps which say "node" get the one Haven runs on.
      PATH: `${dirname(process.execPath)}:${PATH}`,
      HOME,
      HAVEN_HOME: home.directory,
      HAVEN_PORT_BASE: String(home.portBase),
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(tmpdir(), `haven-compile-cache-${userInfo().uid}`),
      ...(LANG === undefined ? {} : { LANG }),
      ...(TZ === undefined ? {} : { TZ }),
    },
    outputPath: join(pathsOf(home).logs, `${options.name}.log`),
  };
}
