import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { Registration } from '#agent/registration';
import { assert } from '#base/assert';
import { messageOf } from '#base/errors';
import { RemoteView } from '#control/remote-view';
import { NodeClock } from '#world/node/clock';
import { NodeLog } from '#world/node/log';
import { NodeNetwork } from '#world/node/network';
import { NodeRandom } from '#world/node/random';
import type { LeaseCommand, LeaseNews, LeaseOrder } from './lease-message.ts';

const standardError = 2;

// The node's lease and nothing else (N1). It imports as little as it can: every module is loaded once more for this thread.
const order = workerData as LeaseOrder;
const port = parentPort;
assert(port, 'the lease is kept in a thread of its own');

const clock = new NodeClock();
// Past the agent's event loop, which may be what stands still.
const log = new NodeLog({ level: 'info', name: order.logName, write: (line) => void writeSync(standardError, line) });
const tell = (news: LeaseNews) => port.postMessage(news);
const view = new RemoteView({ clock, network: new NodeNetwork(log) }, order.api);
const registration = new Registration({ clock, random: new NodeRandom(), log }, view, {
  status: order.status,
  onRegistered: () => tell({ kind: 'registered' }),
});

const stop = new AbortController();
port.on('message', (command: LeaseCommand) => {
  assert(command.kind === 'leave', 'the only command');
  stop.abort();
  const left = () => tell({ kind: 'left' });
  registration.leave().then(left, (error: unknown) => {
    log.write('warn', 'The cluster was not told that this node leaves', { cause: messageOf(error) });
    left();
  });
});

let beats = Atomics.load(order.beats, 0);
let missed = 0;
const watchBeats = (): void => {
  const now = Atomics.load(order.beats, 0);
  missed = now === beats ? missed + 1 : 0;
  beats = now;
  if (missed >= order.maxMissedBeats) {
    // A lease that outlives the work would keep instances on a node that nobody tends. They live on and are taken over by the next agent.
    log.write('error', 'The agent stands still and is ended', { stoodStillMs: missed * order.beatMs });
    process.kill(process.pid, 'SIGKILL');
  }
  clock.after(order.beatMs, watchBeats);
};
clock.after(order.beatMs, watchBeats);
await registration.run(stop.signal);
