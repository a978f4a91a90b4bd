// Makes a cluster of three nodes, runs an app on it and watches it change: npx haven up, then npx node examples/sdk/create-cluster.ts
import { defineApp, HavenError } from '@haven/sdk';
import { connectLocally } from './local-cluster.ts';

// No files to upload: the app is a command of the machine.
const program = `require('node:http').createServer((request, response) => response.end('hello from ' + process.env.HAVEN_INSTANCE)).listen(process.env.PORT, process.env.HOST)`;
const hello = defineApp({
  name: 'hello',
  web: {
    run: { process: ['node', '-e', program] },
    port: 3000,
    count: 3,
    health: '/',
    update: { minHealthy: '500ms' },
    routes: [{ path: '/hello' }],
  },
});

try {
  const haven = await connectLocally();
  const nodes = await haven.createCluster('worker', { nodes: 3 });
  console.log(`${nodes.map(({ name }) => name).join(', ')} are ready`);

  // Every change from here on, without a gap, also over a restart of the control plane.
  const watching = new AbortController();
  const watched = (async () => {
    for await (const change of haven.watch<{ readonly phase: string }>('/statuses/hello.', { signal: watching.signal })) {
      if (change.kind === 'put') console.log(`${change.key.slice('/statuses/'.length)} is ${change.value.phase} at revision ${change.revision}`);
    }
  })();

  const result = await haven.deployAndWait(hello);
  watching.abort();
  await watched;
  if (result.outcome !== 'stable') throw new Error(`hello is ${result.outcome}: ${result.cause?.message ?? 'its cause is not known'}`);

  const [gateway] = await haven.gateways();
  const url = `http://${gateway?.address.host}:${gateway?.address.port}/hello`;
  console.log(`${url} says "${await (await fetch(url)).text()}"`);
} catch (error) {
  // What the cluster refused, and what to do about it.
  console.error(error instanceof HavenError && error.next !== undefined ? `${error.message}. Next: ${error.next}` : error);
  process.exitCode = 1;
}
