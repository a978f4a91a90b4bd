import { PlatformError } from '#base/errors';
import type { Name } from '#base/name';
import type { World } from '#world/world';
import type { CheckedHealth } from './health-checks.ts';
import type { ListeningHandle } from './listeners.ts';

/** What a gateway leaves to its successor besides the listeners, which come each with its handle. */
export interface Legacy {
  readonly name: Name;
  /** What the checks found: backends that were well are used at once, and asked at once. */
  readonly health: readonly CheckedHealth[];
  /** What sticky cookies are made with where the file names nothing. */
  readonly secret: string;
  /** What names of backends were found to be. */
  readonly names?: Readonly<Record<string, readonly string[]>>;
}

/** What the process that serves tells its successor. */
export type ToSuccessor = { readonly kind: 'listener'; readonly id: string } | { readonly kind: 'legacy'; readonly legacy: Legacy };

export type FromSuccessor = { readonly kind: 'here' } | { readonly kind: 'serving' } | { readonly kind: 'failed'; readonly why: string };

/** In the environment of a successor, and of no other process. */
export const SUCCESSOR_VARIABLE = 'HAVEN_GATEWAY_SUCCESSOR';

const legacyWithinMs = 10_000;

/** What this process was left by the one that served before it. */
export interface Inheritance {
  readonly legacy: Legacy;
  /** By id; who takes one removes it. What is left is closed once this process serves. */
  readonly listeners: Map<string, ListeningHandle>;
  /** Clients are served by us. */
  serving(): void;
  failed(why: string): void;
}

/** Takes over from the gateway that started this process; `undefined` if it was not started by one. TIMEOUT if that one says nothing. */
export async function inherit(world: World, channel: NodeJS.Process): Promise<Inheritance | undefined> {
  if (channel.env[SUCCESSOR_VARIABLE] === undefined || !channel.connected) return undefined;
  // Not for our own children.
  delete channel.env[SUCCESSOR_VARIABLE];
  const listeners = new Map<string, ListeningHandle>();
  const legacy = Promise.withResolvers<Legacy>();
  const refuse = () =>
    legacy.reject(new PlatformError('TIMEOUT', `Cannot take over, because the process that serves did not hand over within ${legacyWithinMs} ms`));
  using _timeout = world.clock.after(legacyWithinMs, refuse);
  channel.on('message', (raw: unknown, handle: unknown) => {
    const message = raw as ToSuccessor;
    if (message.kind === 'listener') listeners.set(message.id, handle as ListeningHandle);
    else legacy.resolve(message.legacy);
  });
  const send = (message: FromSuccessor) => {
    if (channel.connected) channel.send?.(message);
  };
  send({ kind: 'here' });
  return {
    legacy: await legacy.promise,
    listeners,
    serving: () => {
      for (const handle of listeners.values()) handle.close();
      listeners.clear();
      send({ kind: 'serving' });
    },
    failed: (why) => send({ kind: 'failed', why }),
  };
}
