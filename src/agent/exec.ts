import { PlatformError } from '#base/errors';
import type { ProcessExit, ProcessSpec, RunningProcess, World } from '#world/world';
import { LineSplitter } from './logs/line-splitter.ts';
import { LogFile } from './logs/log-file.ts';

const pollMs = 50;
const readBytes = 64 * 1024;
/** A command that writes more is ended: it is not a way to copy volumes. */
const maxOutputBytes = 16 * 1024 * 1024;
const maxEndLooks = 100;

export interface ExecRequest {
  readonly command: readonly [string, ...string[]];
  readonly timeoutMs: number;
}

/** Output lines in order, both streams together, then the exit. `reason` says why Haven ended the command. */
export type ExecEvent = { readonly stream: 'output'; readonly text: string } | { readonly exit: ProcessExit; readonly reason?: string };

interface ExecOptions extends ExecRequest, Pick<ProcessSpec, 'environment' | 'workingDirectory'> {
  /** For the file that takes the output meanwhile. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Runs one command to its end, to the timeout, or until the reader leaves; nothing it started stays. NOT_FOUND at the first `next` if there is no such command. */
export async function* execBeside(world: World, options: ExecOptions): AsyncGenerator<ExecEvent> {
  const { folder, timeoutMs, signal } = options;
  const [command, ...args] = options.command;
  const path = `${folder}/${[...world.random.bytes(8)].map((byte) => byte.toString(16).padStart(2, '0')).join('')}.log`;
  await world.disk.makeDirectory(folder);
  let running: RunningProcess | undefined;
  try {
    const { environment, workingDirectory } = options;
    running = await world.processes.spawn({ command, args, environment, workingDirectory, outputPath: path });
    yield* follow(world, { running, file: new LogFile(world.disk, { path, serial: 0, attempt: 0 }), timeoutMs, signal });
  } catch (error) {
    if (!(error instanceof PlatformError) || signal.aborted) throw error;
    // The head has been sent: the reader learns it from the stream.
    yield { exit: { code: error.code === 'NOT_FOUND' ? 127 : 126, signal: undefined }, reason: error.message };
  } finally {
    if (running) await end(world, running);
    await world.disk.remove(path);
  }
}

interface Following {
  readonly running: RunningProcess;
  readonly file: LogFile;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

async function* follow(world: World, { running, file, timeoutMs, signal }: Following): AsyncGenerator<ExecEvent> {
  const { clock } = world;
  const deadline = clock.now() + timeoutMs;
  const splitter = new LineSplitter();
  let exit: ProcessExit | undefined;
  void running.exited.then((value) => {
    exit = value;
  });
  let position = 0;
  while (true) {
    // The exit is looked at before the file, so that what was written before it is read.
    const last = exit;
    await file.poll(Number.POSITIVE_INFINITY);
    while (position < file.end) {
      const { bytes } = await file.read(position, readBytes);
      if (bytes.length === 0) break;
      position += bytes.length;
      for (const text of splitter.push(bytes)) yield { stream: 'output', text };
    }
    if (last || signal.aborted) break;
    if (position > maxOutputBytes)
      return yield { exit: { code: undefined, signal: 'SIGKILL' }, reason: `ended, because it wrote more than ${maxOutputBytes} bytes` };
    if (clock.now() >= deadline) return yield { exit: { code: undefined, signal: 'SIGKILL' }, reason: `ended, because it took longer than ${timeoutMs} ms` };
    await clock.sleep(pollMs);
  }
  const rest = splitter.flush();
  if (rest !== undefined) yield { stream: 'output', text: rest };
  if (exit) yield { exit };
}

async function end(world: World, running: RunningProcess): Promise<void> {
  for (let looks = 0; looks < maxEndLooks && (await running.hasMembers()); looks++) {
    await running.signal('SIGKILL');
    await world.clock.sleep(pollMs);
  }
}
