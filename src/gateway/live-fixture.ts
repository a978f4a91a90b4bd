import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseName } from '#base/name';
import { instanceIdOf } from '#model/instance';
import { keyOf } from '#model/keys';
import type { Backend, GatewayStatus, Route } from '#model/route';
import type { Address, World } from '#world/world';
import { after, monotonicNow } from './dataplane/clock.ts';
import { runGateway } from './gateway.ts';
import type { GatewayOptions } from './gateway-config.ts';
import { MemoryView } from './memory-view.ts';

export const APP = parseName('shop', 'an app');
export const WEB = parseName('web', 'a service');
export const GATEWAY = parseName('gateway-1', 'a gateway');
const backendEntry = join(import.meta.dirname, 'fixture-backend.ts');
const tcpBackendEntry = join(import.meta.dirname, 'fixture-tcp-backend.ts');

/** What a backend answers of a request. */
export interface Echo {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly string[];
  readonly bytes: number;
  readonly sha: string;
}

/** A backend in a process of its own, so that it can be killed or stopped. */
export interface LiveBackend extends AsyncDisposable {
  readonly port: number;
  readonly child: ChildProcess;
}

/** One that says its name and sends back what it gets. */
export async function startTcpBackend(options: { readonly name?: string; readonly port?: number } = {}): Promise<LiveBackend> {
  return await startProgram(tcpBackendEntry, options);
}

export async function startBackend(options: { readonly name?: string; readonly delayMs?: number; readonly port?: number } = {}): Promise<LiveBackend> {
  return await startProgram(backendEntry, options);
}

async function startProgram(entry: string, options: { readonly name?: string; readonly delayMs?: number; readonly port?: number }): Promise<LiveBackend> {
  const env = { ...process.env, NAME: options.name ?? 'backend', DELAY_MS: String(options.delayMs ?? 0), PORT: String(options.port ?? 0) };
  const child = fork(entry, [], { execArgv: [], env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  const port = Promise.withResolvers<number>();
  child.stdout?.once('data', (data: Buffer) => port.resolve(Number(data.toString())));
  child.once('exit', () => port.reject(new Error('the backend ended before it listened')));
  return {
    port: await port.promise,
    child,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await exited;
    },
  };
}

export function backendAt(slot: number, port: number, changes: Partial<Backend> = {}): Backend {
  return {
    id: instanceIdOf(APP, WEB, slot, 1),
    name: `web.${slot}`,
    attempt: 1,
    address: { host: '127.0.0.1', port },
    weight: 1,
    tier: 'primary',
    state: 'active',
    ...changes,
  };
}

export function routeTo(backends: readonly Backend[], changes: Partial<Route> = {}): Route {
  return {
    app: APP,
    service: WEB,
    matches: [{ host: '*', path: '/' }],
    balance: 'round-robin',
    check: { probe: { kind: 'http', path: '/ready' }, intervalMs: 2_000, timeoutMs: 1_000, rise: 2, fall: 3 },
    backends,
    ...changes,
  };
}

export interface LiveGateway extends AsyncDisposable {
  readonly view: MemoryView;
  readonly address: Address;
  readonly admin: Address;
  readonly directory: string;
  /** Resolves to the revision once the gateway has acknowledged it. */
  setRoute(route: Route): Promise<number>;
  status(): GatewayStatus | undefined;
  /** Ends the gateway but keeps its folder. */
  stop(): Promise<void>;
}

export async function startGateway(
  world: World,
  options: { readonly routes?: readonly Route[]; readonly view?: MemoryView; readonly directory?: string; readonly gateway?: GatewayOptions } = {},
): Promise<LiveGateway> {
  const view = options.view ?? new MemoryView();
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'haven-gateway-')));
  for (const route of options.routes ?? []) view.put(keyOf.route(route.app, route.service), route);
  const stopping = new AbortController();
  const ready = Promise.withResolvers<{ address: Address; adminAddress: Address }>();
  const loopback = { host: '127.0.0.1', port: 0 };
  const running = runGateway({
    world,
    view,
    name: GATEWAY,
    directory,
    address: loopback,
    adminAddress: loopback,
    options: { workers: 1, drainMs: 1_000, ...options.gateway, onReady: ready.resolve },
    signal: stopping.signal,
  });
  running.catch(ready.reject);
  const { address, adminAddress } = await ready.promise;
  const status = () => view.read<GatewayStatus>(keyOf.gateway(GATEWAY));
  const stop = async () => {
    stopping.abort();
    await running;
  };
  return {
    view,
    address,
    admin: adminAddress,
    directory,
    status,
    async setRoute(route) {
      const revision = view.put(keyOf.route(route.app, route.service), route);
      await until(() => (status()?.appliedRevision ?? 0) >= revision, 'the gateway acknowledges the routes');
      return revision;
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export async function until(holds: () => boolean | Promise<boolean>, claim: string, withinMs = 10_000): Promise<void> {
  const deadline = monotonicNow() + withinMs;
  while (!(await holds())) {
    if (monotonicNow() > deadline) throw new Error(`Not within ${withinMs} ms: ${claim}`);
    await pause(5);
  }
}

export async function pause(delayMs: number): Promise<void> {
  await new Promise<void>((resolve) => after(delayMs, resolve));
}

/** A raw client: sends bytes, collects what comes. */
export class RawClient {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  isEnded = false;

  constructor(address: Address) {
    this.socket = connect({ host: address.host, port: address.port, allowHalfOpen: true });
    this.socket.on('data', (data) => {
      this.received = Buffer.concat([this.received, data]);
    });
    this.socket.on('end', () => {
      this.isEnded = true;
    });
    this.socket.on('error', () => {
      this.isEnded = true;
    });
    this.socket.on('close', () => {
      this.isEnded = true;
    });
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  send(text: string | Buffer): void {
    this.socket.write(text);
  }

  async receive(pattern: RegExp | string, withinMs = 5_000): Promise<string> {
    await until(
      () => (typeof pattern === 'string' ? this.text.includes(pattern) : pattern.test(this.text)),
      `receives ${pattern}; has ${JSON.stringify(this.text.slice(0, 500))}`,
      withinMs,
    );
    return this.text;
  }

  async ended(withinMs = 5_000): Promise<string> {
    await until(() => this.isEnded, `the connection ends; has ${JSON.stringify(this.text.slice(0, 500))}`, withinMs);
    return this.text;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** A port of loopback that nobody listens on just now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

/** One that has ended and whose parent is gone is nobody's to reap where there is no init. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}
