import { messageOf } from '#base/errors';
import { AccessLog } from './access-log.ts';
import { after, every, soon } from './dataplane/clock.ts';
import { Dataplane } from './dataplane/dataplane.ts';
import { openRing } from './dataplane/ring/open-ring.ts';
import { keepFilesFree } from './open-files.ts';
import type { FromWorker, ToWorker } from './worker-protocol.ts';
import { observe, Sampler } from './worker-sample.ts';

const accessFlushMs = 250;
const reportMs = 1_000;
const drainPollMs = 50;
/** What V8 has used to optimize, some ten MiB, is free afterwards, but glibc keeps it. */
const trimMs = 10_000;
/** Of a sample that nobody asked for. */
const noRound = -1;
/** For what is in flight after an error that nobody caught, here or in the parent. */
const lastMs = 10_000;

/**
 * Serves what the parent tells it to. Once the parent is gone it gives its listeners back, so that another gateway may have them, and ends what it has. After an error that
 * nobody caught it ends what it has, while the parent starts another; after a second one it ends.
 */
export function runWorker(channel: NodeJS.Process): void {
  let dataplane: Dataplane | undefined;
  const sampler = new Sampler();
  const send = (message: FromWorker) => {
    if (channel.connected) channel.send?.(message);
  };
  channel.on('disconnect', () => {
    if (dataplane === undefined) channel.exit(0);
    else {
      channel.stderr.write(`gateway worker ${channel.pid}: its parent is gone; it ends what it has within ${lastMs / 1_000} s\n`);
      leave(dataplane, channel, () => channel.exit(0));
    }
  });
  // Who read the log may be gone with the parent.
  channel.stderr.on('error', () => undefined);
  // The supervisor signals whole groups: this process ends when its parent has drained it.
  channel.on('SIGTERM', () => undefined);
  channel.on('SIGINT', () => undefined);
  channel.on('SIGHUP', () => undefined);
  let isFailing = false;
  channel.on('uncaughtException', (error: Error) => {
    channel.stderr.write(`gateway worker: ${error.stack ?? error.message}\n`);
    if (isFailing || dataplane === undefined) channel.exit(1);
    isFailing = true;
    const failing = dataplane;
    send({ kind: 'failing', cause: error.message });
    leave(failing, channel, () => {
      // What it counted last is not lost with it.
      const last: FromWorker = { kind: 'sample', request: noRound, changes: sampler.take(failing) };
      if (channel.connected) channel.send?.(last, () => channel.exit(1));
      else channel.exit(1);
    });
  });
  channel.on('message', (raw: unknown, handle: unknown) => {
    const message = raw as ToWorker;
    if (message.kind === 'start') {
      const opened = openRing();
      if (opened.ring === undefined && opened.isWanted) tell(`it carries each connection by itself, which takes more CPU: ${opened.reason}`);
      dataplane = new Dataplane(Uint8Array.from(message.seed), opened.ring);
      serveReports(dataplane, send);
      if (opened.ring !== undefined) every(trimMs, () => opened.ring.calls.trimHeap());
      every(reportMs, keepFilesFree(dataplane.plane.connections, tell));
      if (message.accessLogPath !== undefined) startAccessLog(dataplane, message.accessLogPath);
      return;
    }
    if (dataplane === undefined) return;
    if (message.kind === 'sample') send({ kind: 'sample', request: message.request, changes: sampler.take(dataplane) });
    else obey(dataplane, message, handle, send, () => channel.exit(0));
  });
}

function obey(
  dataplane: Dataplane,
  message: Exclude<ToWorker, { kind: 'start' | 'sample' }>,
  handle: unknown,
  send: (message: FromWorker) => void,
  exit: () => void,
): void {
  switch (message.kind) {
    case 'snapshot':
      dataplane.apply(message.revision, message.routes);
      dataplane.setHealth(message.health);
      send({ kind: 'applied', revision: message.revision });
      dataplane.plane.onReport();
      break;
    case 'health':
      dataplane.setHealth(message.updates);
      break;
    case 'listen':
      dataplane.listen(message.id, handle, message.settings).then(
        () => send({ kind: 'listening', id: message.id }),
        (error: unknown) => {
          process.stderr.write(`gateway worker cannot listen on ${message.id}: ${messageOf(error)}\n`);
          exit();
        },
      );
      break;
    case 'change':
      dataplane.changeListener(message.id, message.settings);
      break;
    case 'unlisten':
      dataplane.unlisten(message.id);
      break;
    case 'tickets':
      dataplane.plane.tls.ticketSecrets = message.secrets;
      break;
    case 'challenges':
      dataplane.plane.tls.challenges.replace(message.challenges);
      break;
    case 'drain':
      endInOrder(dataplane, message, exit);
      break;
  }
}

/** Takes nothing new, and is over when what it has is, or its time. */
function leave(dataplane: Dataplane, channel: NodeJS.Process, exit: () => void): void {
  after(lastMs, () => channel.exit(1));
  endInOrder(dataplane, { lastsMs: lastMs, keepsIdle: false }, exit);
}

function endInOrder(dataplane: Dataplane, how: { readonly lastsMs: number; readonly keepsIdle: boolean }, exit: () => void): void {
  dataplane.drain(how.lastsMs);
  if (!how.keepsIdle) dataplane.endIdle(how.lastsMs);
  every(drainPollMs, () => {
    if (dataplane.plane.clients.size + dataplane.plane.opening.size === 0) exit();
  });
}

/** Reports at once what changed, and every second looks what is in flight at draining backends. */
function serveReports(dataplane: Dataplane, send: (message: FromWorker) => void): void {
  let isDue = false;
  let last = '';
  const report = () => {
    isDue = false;
    const message = {
      kind: 'report',
      backends: [...dataplane.backends.values()].filter((backend) => backend.draining || backend.ejected || backend.wasReported).map(observed),
      panicking: [...dataplane.services.values()].filter(({ tier }) => tier === 'panic').map(({ key }) => key),
    } as const;
    const written = JSON.stringify(message);
    if (written === last) return;
    last = written;
    send(message);
  };
  const observed = (backend: Parameters<typeof observe>[0]) => {
    const observation = observe(backend);
    // A backend that is well again is reported once more, to take back what was said.
    backend.wasReported = backend.draining || observation.ejected;
    return observation;
  };
  dataplane.plane.onReport = () => {
    if (isDue) return;
    isDue = true;
    soon(report);
  };
  every(reportMs, () => dataplane.plane.onReport());
}

function startAccessLog(dataplane: Dataplane, path: string): void {
  const log = new AccessLog(path, tell);
  dataplane.plane.accessLog = log;
  every(accessFlushMs, () => log.flush());
}

/** What an operator should know; the parent's log has it. */
function tell(message: string): void {
  process.stderr.write(`gateway worker: ${message}\n`);
}
