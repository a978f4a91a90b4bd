import { argv, env, stdout } from 'node:process';
import type { Instance } from '#model/instance';
import { nodeWorld } from '#world/node/node-world';
import { runAgent } from '../agent.ts';
import { agentParts } from './agent-parts.ts';
import { TestCluster } from './test-cluster.ts';

// An agent in a process of its own, for tests that kill it: the folder and the instances come as arguments; each new status is a line of its output.
const [directory = '', instances = '[]'] = argv.slice(2);
const world = nodeWorld({ logLevel: 'error', logName: 'agent' });
const cluster = new TestCluster();
for (const instance of JSON.parse(instances) as Instance[]) cluster.want(instance);
let told = 0;
const tell = () => {
  for (const { events } of cluster.history.slice(told)) {
    for (const event of events) if (event.kind === 'put' && event.item.key.startsWith('/statuses/')) stdout.write(`${event.item.value}\n`);
  }
  told = cluster.history.length;
  world.clock.after(20, tell);
};
tell();
await runAgent({ ...agentParts({ world, cluster, directory, path: env['PATH'] ?? '' }), signal: new AbortController().signal });
