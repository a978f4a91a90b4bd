import { request } from 'node:http';
import { PlatformError } from '#base/errors';
import type { Address, World } from '#world/world';
import { until } from '../live-fixture.ts';
import type { LiveStatus } from '../live-status.ts';
import { resolveGatewayConfig, type StandaloneConfig } from './resolve-config.ts';
import { type Reloaded, runStandalone } from './standalone-gateway.ts';

/** A gateway whose file is `file.value`. */
export interface Running extends AsyncDisposable {
  readonly file: { value: unknown };
  /** Of the first listener. */
  readonly address: Address;
  readonly listeners: readonly Address[];
  readonly admin: Address;
  reload(): Promise<Reloaded>;
  status(): Promise<LiveStatus>;
  stop(): Promise<void>;
}

/** A file with one service `web` and a short drain. */
export function fileWith(service: object, more: object = {}): object {
  return { listen: '127.0.0.1:0', admin: '127.0.0.1:0', workers: 1, drain: '3s', routes: [{ service: 'web' }], services: { web: service }, ...more };
}

async function load(value: unknown): Promise<StandaloneConfig> {
  const resolved = resolveGatewayConfig(value, { secret: 'a-secret-of-the-test' });
  if (!resolved.ok) throw new PlatformError('INVALID', resolved.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('\n'));
  return resolved.config;
}

export async function startStandalone(world: World, value: unknown, state = '/nonexistent'): Promise<Running> {
  const file = { value };
  const stopping = new AbortController();
  const ready = Promise.withResolvers<{ readonly listeners: readonly Address[]; readonly admin: Address; readonly reload: () => Promise<Reloaded> }>();
  const running = runStandalone({
    world,
    state,
    load: async () => await load(file.value),
    onReady: ({ listeners, admin }, reload) => ready.resolve({ listeners, admin, reload }),
    signal: stopping.signal,
  });
  running.catch(ready.reject);
  const { listeners, admin, reload } = await ready.promise;
  const status = async () => (await (await fetch(`http://127.0.0.1:${admin.port}/status`)).json()) as LiveStatus;
  const stop = async () => {
    stopping.abort();
    await running;
  };
  return { file, address: listeners[0] as Address, listeners, admin, reload, status, stop, [Symbol.asyncDispose]: stop };
}

/** Resolves once `count` backends of `web` pass their checks. */
export async function allPass(gateway: Running, count: number): Promise<void> {
  await until(
    async () => (await gateway.status()).services['gateway/web']?.backends.filter(({ health }) => health === 'passing').length === count,
    `${count} pass`,
  );
}

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A GET on a connection of its own. */
export async function get(address: Address, headers: Record<string, string> = {}, path = '/'): Promise<Answer> {
  const done = Promise.withResolvers<Answer>();
  const outgoing = request({ host: address.host, port: address.port, path, headers, agent: false }, (response) => {
    let text = '';
    response.on('data', (part: Buffer) => {
      text += part.toString();
    });
    response.on('end', () => done.resolve({ status: response.statusCode ?? 0, text, headers: response.headers }));
  });
  outgoing.on('error', done.reject);
  outgoing.end();
  return await done.promise;
}

/** Which backend of the fixture gave the answer. */
export function nameIn(answer: Answer): string {
  return (JSON.parse(answer.text) as { name: string }).name;
}
