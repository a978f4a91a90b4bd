import { type ChildProcess, type SendHandle, spawn } from 'node:child_process';
import { PlatformError } from '#base/errors';
import type { World } from '#world/world';
import { type FromSuccessor, type Legacy, SUCCESSOR_VARIABLE, type ToSuccessor } from './inheritance.ts';
import type { ListeningHandle } from './listeners.ts';

/** The command line of a successor. */
export interface SuccessorCommand {
  readonly command: string;
  readonly args: readonly string[];
}

const servesWithinMs = 30_000;

/**
 * Starts a process that takes over the listeners, and resolves to its pid once it serves. They are the same sockets in both processes, so that no connection is refused
 * while one begins and the other ends. INTERNAL, with what it said, if it does not come to serve: then it is ended, and nothing has changed.
 */
export async function startSuccessor(
  world: World,
  how: SuccessorCommand & { readonly listeners: ReadonlyMap<string, ListeningHandle>; readonly legacy: Legacy; readonly signal: AbortSignal },
): Promise<number> {
  const child = spawn(how.command, [...how.args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [SUCCESSOR_VARIABLE]: '1' },
  });
  const serving = Promise.withResolvers<void>();
  const refuse = (why: string) => serving.reject(new PlatformError('INTERNAL', `Cannot hand over to a new process, because ${why}. This one goes on serving`));
  using _timeout = world.clock.after(servesWithinMs, () => refuse(`it did not serve within ${servesWithinMs / 1_000} s`));
  const stop = () => refuse('this one is being stopped');
  how.signal.addEventListener('abort', stop, { once: true });
  child.on('error', (error) => refuse(`it could not be started: ${error.message}`));
  child.on('exit', (code, signal) => refuse(`it ended with ${signal ?? code} before it served`));
  child.on('message', (raw) => {
    const message = raw as FromSuccessor;
    if (message.kind === 'serving') serving.resolve();
    else if (message.kind === 'failed') refuse(message.why);
    else handOver(child, how);
  });
  try {
    await serving.promise;
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    how.signal.removeEventListener('abort', stop);
  }
  // It lives on without us.
  child.disconnect();
  child.unref();
  return child.pid ?? 0;
}

function handOver(child: ChildProcess, { listeners, legacy }: { readonly listeners: ReadonlyMap<string, ListeningHandle>; readonly legacy: Legacy }): void {
  for (const [id, handle] of listeners) send(child, { kind: 'listener', id }, handle);
  send(child, { kind: 'legacy', legacy });
}

function send(child: ChildProcess, message: ToSuccessor, handle?: ListeningHandle): void {
  // If it is gone, its exit is heard of.
  if (child.connected) child.send(message, handle as unknown as SendHandle, () => undefined);
}
