import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mintToken, openClusterKey } from '#control/api/tokens';
import { RemoteView } from '#control/remote-view';
import type { World } from '#world/world';
import { addressesOf, type Home, pathsOf } from '../home.ts';
import { startHaven, stopHaven } from '../lifecycle.ts';
import { ClusterWatch } from './cluster-watch.ts';
import { freePortBase } from './port-base.ts';

const launcher = fileURLToPath(new URL('../../../bin/haven.js', import.meta.url));
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;

export interface HavenRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A cluster of its own in a temporary folder, on free ports, gone with all its processes when it is disposed. */
export class DemoCluster implements AsyncDisposable {
  readonly world: World;
  readonly home: Home;
  readonly watch: ClusterWatch;
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>;

  private constructor(world: World, home: Home, view: RemoteView) {
    this.world = world;
    this.home = home;
    this.watch = new ClusterWatch(world, view);
    this.#watching = this.watch.run(this.#stop.signal);
  }

  static async start(world: World, signal: AbortSignal): Promise<DemoCluster> {
    const home = { directory: await mkdtemp(join(tmpdir(), 'haven-demo-')), portBase: await freePortBase() };
    await startHaven(world, home, signal);
    const key = await openClusterKey(world, pathsOf(home).clusterKey);
    return new DemoCluster(world, home, new RemoteView(world, { address: addressesOf(home).api, token: mintToken(key, { kind: 'admin' }) }));
  }

  /** The command line, as a user would run it against this cluster. */
  async haven(...args: readonly string[]): Promise<HavenRun> {
    return await this.havenWith({}, ...args);
  }

  /** The same with more, or other, environment. */
  async havenWith(more: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<HavenRun> {
    const environment = { ...process.env, ...this.environment, NO_COLOR: '1', ...more };
    const child = spawn(process.execPath, [launcher, ...args], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', (text: string) => {
        output[stream] = (output[stream] + text).slice(-MAX_OUTPUT_BYTES);
      });
    }
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    child.on('error', reject).on('close', (code) => resolve(code ?? 1));
    return { exitCode: await promise, ...output };
  }

  /** What points the command line at this cluster; the shop's data stay inside its folder. */
  get environment(): Readonly<Record<string, string>> {
    return { HAVEN_HOME: this.home.directory, HAVEN_PORT_BASE: String(this.home.portBase) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching;
    await stopHaven(this.world, this.home);
    await rm(this.home.directory, { recursive: true, force: true });
  }
}
