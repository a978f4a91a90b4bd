import { deepEqual, equal, match } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DemoCluster } from '#cli/demo/demo-cluster';
import { nodeWorld } from '#world/node/node-world';

let cluster: DemoCluster;

before(async () => {
  cluster = await DemoCluster.start(nodeWorld({ logLevel: 'error', logName: 'sdk' }), AbortSignal.timeout(30_000));
});

after(async () => {
  await cluster[Symbol.asyncDispose]();
});

async function run(environment: Readonly<Record<string, string>>): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'sdk/create-cluster.ts')], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  }
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.on('close', resolve);
  return { code: await promise, ...output };
}

test('the example makes a cluster, runs an app without files on it, and watches it come up', async () => {
  const { code, stdout, stderr } = await run(cluster.environment);
  deepEqual([code, stderr], [0, '']);
  match(stdout, /^worker-1, worker-2, worker-3 are ready\n/);
  match(stdout, /hello\.web\.1-\d+ is starting at revision \d+\n/);
  match(stdout, /hello\.web\.3-\d+ is running at revision \d+\n/);
  match(stdout, /http:\/\/127\.0\.0\.1:\d+\/hello says "hello from web\.\d"\n$/);
});

test('again it changes nothing and says the same', async () => {
  const { code, stdout } = await run(cluster.environment);
  equal(code, 0);
  match(stdout, /says "hello from web\.\d"\n$/);
  equal(stdout.includes('is starting'), false);
});

test('without a cluster it says what to do', async () => {
  const { code, stderr } = await run({ ...cluster.environment, HAVEN_ADDR: '127.0.0.1:9' });
  equal(code, 1);
  match(stderr, /the cluster does not answer.*Next: start Haven with "haven up"/);
});
