import { parseName } from '#base/name';
import { nodeWorld } from '#world/node/node-world';
import type { UnixMs } from '#world/world';
import { LeaseThread } from '../lease-thread.ts';

// Registers a node, then blocks its own event loop for so long; then leaves and prints the lag.
const [port = '', blockMs = '', maxMissedBeats = ''] = process.argv.slice(2);
const world = nodeWorld({ logLevel: 'info', logName: 'busy' });
const registered = Promise.withResolvers<void>();
const lease = new LeaseThread(world, {
  status: {
    node: parseName('worker-1', 'a node'),
    address: { host: '127.0.0.1', port: 1 },
    host: '127.0.0.1',
    pid: process.pid,
    bootId: 'b',
    startedAt: 0 as UnixMs,
    capacity: { cpu: 1, memoryBytes: 1 },
    limits: 'none',
    version: 'test',
  },
  onRegistered: registered.resolve,
  api: { address: { host: '127.0.0.1', port: Number(port) }, token: 'a token' },
  maxMissedBeats: Number(maxMissedBeats),
});
const stop = new AbortController();
const running = lease.run(stop.signal);
await registered.promise;
const sleeper = new Int32Array(new SharedArrayBuffer(4));
Atomics.wait(sleeper, 0, 0, Number(blockMs));
await world.clock.sleep(1_500);
stop.abort();
await running;
await lease.leave();
process.stdout.write(`${JSON.stringify(lease.loopLag)}\n`);
process.exit(0);
