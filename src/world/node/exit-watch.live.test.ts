import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { nodeWorld } from './node-world.ts';

const silent = { logLevel: 'error', logName: 'test', writeLog: () => undefined } as const;
const count = 20;
const windows = 4;
const windowMs = 1_500;

test('20 adopted processes cost less than half a percent of a core to watch, and an end is noticed at once', async () => {
  const parent = nodeWorld(silent);
  const sleep = { command: 'sleep', args: ['60'], workingDirectory: tmpdir(), environment: { PATH: process.env.PATH ?? '/usr/bin:/bin' } };
  const started = await Promise.all(Array.from({ length: count }, () => parent.processes.spawn(sleep)));
  const { clock, processes } = nodeWorld(silent);
  try {
    const adopted = await Promise.all(started.map(({ identity }) => processes.adopt(identity)));
    await clock.sleep(500);
    const shares: number[] = [];
    for (let window = 0; window < windows; window++) {
      const before = process.cpuUsage();
      await clock.sleep(windowMs);
      const { user, system } = process.cpuUsage(before);
      shares.push((user + system) / 1_000 / windowMs);
    }
    // What else this machine does makes a window dearer, never cheaper.
    const least = Math.min(...shares);
    assert.ok(least < 0.005, `${(100 * least).toFixed(2)} % of a core`);
    const killedAt = clock.now();
    for (const { identity } of started) process.kill(identity.pid, 'SIGKILL');
    await Promise.all(adopted.map((one) => one?.exited));
    assert.ok(clock.now() - killedAt < 2_000, `the last end was noticed after ${clock.now() - killedAt} ms`);
    assert.deepEqual(
      await Promise.all(started.map(({ identity }) => processes.adopt(identity))),
      started.map(() => undefined),
    );
  } finally {
    await Promise.all(started.map((one) => one.signal('SIGKILL')));
  }
});
