// The thread that owns the file: it blocks for each fsync, so that the server never does.
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf, PlatformError } from '#base/errors';
import type { JournalBatch, JournalReply, JournalRequest, JournalSettings } from './journal-messages.ts';
import { StateFile } from './state-file.ts';

/** How much is written between two measurements of the free space: far less than any sensible reserve. */
const MEASURE_EVERY_BYTES = 256 * 1024;

function run(settings: JournalSettings, reply: (message: JournalReply) => void, onRequest: (listener: (request: JournalRequest) => void) => void): void {
  let file: StateFile;
  try {
    file = new StateFile(settings);
    const { oldest, leases } = file.load((changes) => reply({ kind: 'changes', changes }));
    reply({ kind: 'opened', oldest, leases, roomBytes: file.roomBytes() });
  } catch (error) {
    reply(failure(error));
    return;
  }
  let hasFailed = false;
  let unmeasuredBytes = 0;
  onRequest((request) => {
    if (hasFailed) return;
    try {
      switch (request.kind) {
        case 'write':
          file.write(request.batch);
          unmeasuredBytes += sizeOf(request.batch);
          reply({ kind: 'written', roomBytes: unmeasuredBytes < MEASURE_EVERY_BYTES ? undefined : file.roomBytes() });
          if (unmeasuredBytes >= MEASURE_EVERY_BYTES) unmeasuredBytes = 0;
          break;
        case 'measure':
          reply({ kind: 'measured', roomBytes: file.roomBytes() });
          break;
        case 'close':
          file.close();
          reply({ kind: 'closed' });
          break;
      }
    } catch (error) {
      // Nothing may be written after a failed commit: what the disk holds is known only after a restart.
      hasFailed = true;
      reply(failure(error));
    }
  });
}

function sizeOf({ changes }: JournalBatch): number {
  let size = 0;
  for (let i = 0; i < changes.keys.length; i++) size += ROW_OVERHEAD_BYTES + (changes.keys[i] ?? '').length + (changes.values[i] ?? '').length;
  return size;
}

const ROW_OVERHEAD_BYTES = 50;

function failure(error: unknown): JournalReply {
  if (error instanceof PlatformError) return { kind: 'failed', code: error.code, message: error.message, details: error.details };
  const isFull = error instanceof Error && 'errcode' in error && error.errcode === SQLITE_FULL;
  const { directory } = workerData as JournalSettings;
  const message = isFull
    ? `Cannot write to the store in "${directory}", because its disk or its size limit is full; reads go on. Free some space, then start this server again`
    : `Cannot write to the store in "${directory}", because ${messageOf(error)}; reads go on. Check the disk, then start this server again`;
  return { kind: 'failed', code: 'UNAVAILABLE', message, details: { directory } };
}

const SQLITE_FULL = 13;

const port = parentPort;
if (port) {
  run(
    workerData as JournalSettings,
    (message) => port.postMessage(message),
    (listener) => port.on('message', listener),
  );
}
