/** A cluster with an app that must not suffer, for tests of what bad input does. Not part of the product. */
import { equal, ok } from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@haven/sdk';
import type { World } from '#world/world';
import { DemoCluster, type HavenRun } from './demo/demo-cluster.ts';
import { addressesOf, pathsOf } from './home.ts';
import { findRecorded } from './supervisor/keeper.ts';

const PATIENCE_MS = 30_000;

/** What a person is told, by whatever way, and the exit code of the command that tells it. */
export interface Told {
  readonly exitCode: number;
  readonly text: string;
}

/** A service that works: what is bad is added to it. */
export const GOOD_SERVICE = { run: { process: 'node web.js' }, port: 3000, health: '/', update: { minHealthy: '300ms' }, stop: { drain: '1s', kill: '1s' } };

/** Two nodes, the app `well` on them, and a folder for configs. */
export class BadInputBench implements AsyncDisposable {
  readonly world: World;
  readonly cluster: DemoCluster;
  readonly folder: string;
  #configs = 0;

  private constructor(world: World, cluster: DemoCluster, folder: string) {
    this.world = world;
    this.cluster = cluster;
    this.folder = folder;
  }

  static async start(world: World): Promise<BadInputBench> {
    const folder = await mkdtemp(join(tmpdir(), 'haven-bad-input-'));
    const bench = new BadInputBench(world, await DemoCluster.start(world, AbortSignal.timeout(30_000)), folder);
    try {
      equal((await bench.cluster.haven('pool', 'create', 'worker', '--nodes', '2')).exitCode, 0);
      const { exitCode, text } = await bench.deploy({ name: 'well', web: { ...GOOD_SERVICE, count: 2, routes: [{ path: '/well' }] } });
      equal(exitCode, 0, text);
      return bench;
    } catch (error) {
      await bench[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }

  async deploy(config: Readonly<Record<string, unknown>>): Promise<Told> {
    return told(await this.cluster.haven('deploy', await this.writeConfig(config)));
  }

  async writeConfig(config: Readonly<Record<string, unknown>>): Promise<string> {
    const directory = join(this.folder, `app-${++this.#configs}`);
    await mkdir(directory);
    await writeFile(join(directory, 'haven.config.json'), JSON.stringify(config, undefined, 2));
    await writeFile(
      join(directory, 'web.js'),
      "require('node:http').createServer((request, response) => response.end('fine')).listen(process.env.PORT, process.env.HOST);\n",
    );
    // As fast as a disk of a busy machine takes it, yet not so fast that the machine is of no use to others meanwhile.
    await writeFile(
      join(directory, 'flood.js'),
      `require('./web.js');
  let lines = 0;
  setInterval(() => {
    let text = '';
    for (let i = 0; i < 1000; i++) text += 'line ' + ++lines + ' ' + 'x'.repeat(1000) + '\\n';
    require('node:fs').writeSync(1, text);
  }, 20);\n`,
    );
    return directory;
  }

  async remove(app: string): Promise<void> {
    const { exitCode, stderr } = await this.cluster.haven('rm', app, '--yes');
    ok(exitCode === 0 || /Cannot find app|There is no app/.test(stderr), stderr);
  }

  async sdk() {
    const { api } = addressesOf(this.cluster.home);
    return connect({ address: `http://${api.host}:${api.port}`, token: (await readFile(pathsOf(this.cluster.home).token, 'utf8')).trim() });
  }

  /** What must not change: which process each instance is. */
  async runningOf(app: string): Promise<readonly string[]> {
    const instances = await (await this.sdk()).instances({ app });
    return instances.map(({ id, pid, attempt }) => `${id} ${pid} ${attempt}`);
  }

  async oneInstance(): Promise<{ readonly instance: string; readonly node: string }> {
    const [first] = await (await this.sdk()).instances({ app: 'well' });
    ok(first);
    return { instance: first.id, node: first.node };
  }

  /** A gateway that was killed takes a moment to come back: then it must be right at once. */
  async answer(): Promise<string> {
    const { gateway } = addressesOf(this.cluster.home);
    let said = '';
    await until('the gateway answers', async () => {
      const response = await fetch(`http://${gateway.host}:${gateway.port}/well`).catch(() => undefined);
      said = response ? `${response.status} ${await response.text()}` : 'nobody answers';
      return response !== undefined;
    });
    return said;
  }

  /** Kills one of Haven's own processes and keeps it from being started again until `release`. */
  async ended(name: string): Promise<AsyncDisposable & { readonly release: () => Promise<void> }> {
    const { run } = pathsOf(this.cluster.home);
    const hold = join(run, `${name}.hold`);
    const running = await findRecorded(this.world, join(run, `${name}.json`));
    ok(running, `${name} runs`);
    await writeFile(hold, '');
    const release = () => rm(hold, { force: true });
    await running.signal('SIGKILL');
    await until(`${name} has ended`, async () => !(await running.hasMembers()));
    return { release, [Symbol.asyncDispose]: release };
  }

  async loggedBy(name: string, words: RegExp): Promise<Told> {
    const path = join(pathsOf(this.cluster.home).logs, `${name}.log`);
    await until(`${name} tells`, async () => words.test(await readFile(path, 'utf8')));
    return { exitCode: 0, text: await readFile(path, 'utf8') };
  }

  async nodeFolders(): Promise<readonly string[]> {
    const nodes = join(this.cluster.home.directory, 'nodes');
    return (await readdir(nodes)).map((node) => join(nodes, node));
  }

  /** How much the app's instance has written so far, as the kernel counts it. */
  async written(app: string): Promise<number> {
    const [first] = await (await this.sdk()).instances({ app });
    const text = await readFile(`/proc/${first?.pid}/io`, 'utf8');
    return Number(/^wchar: (\d+)$/m.exec(text)?.[1] ?? 0);
  }
}

/** Of a command of the CLI. */
export function told({ exitCode, stdout, stderr }: HavenRun): Told {
  return { exitCode, text: `${stdout}${stderr}` };
}

/** Flips a bit of the file's byte after the first of `where`. */
export async function flip(path: string, where: string): Promise<void> {
  const bytes = await readFile(path);
  const at = bytes.indexOf(where);
  ok(at >= 0, `${path} has ${where}`);
  bytes[at + 1] = (bytes[at + 1] as number) ^ 4;
  await writeFile(path, bytes);
}

/** Waits for what is claimed. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    ok(performance.now() < deadline, `${what} within ${PATIENCE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Another program that has the port. */
export async function listen(port: number): Promise<AsyncDisposable> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return {
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Bytes on the disk, as the file system counts them: what was cut out of a file is not there. */
export async function sizeOf(folders: readonly string[]): Promise<number> {
  const sizes = folders.map(async (path) => {
    const names = await readdir(path, { recursive: true }).catch(() => []);
    const stats = await Promise.all(names.map((name) => stat(join(path, name)).catch(() => undefined)));
    return stats.reduce((sum, one) => sum + (one?.isFile() ? one.blocks * 512 : 0), 0);
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
