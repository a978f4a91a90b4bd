import { ok } from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { isAlive, until } from '#gateway/live-fixture';
import type { LiveStatus } from '#gateway/live-status';
import type { Address } from '#world/world';

const launcher = join(import.meta.dirname, '../../../bin/haven.js');

/** Of a command that ends by itself. */
const endsWithinMs = 60_000;

/** Where commands run. */
export interface Place {
  readonly directory: string;
  /** The home, from the directory; absent: one that cannot be used, for commands that need none. */
  readonly home?: string;
}

/** How a command ended, and what it said. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command to its end; -1 for one that does not come to it. */
export async function haven(place: Place, ...args: readonly string[]): Promise<Ended> {
  return await new Promise((resolve) => {
    const how = { cwd: place.directory, env: environment(place), timeout: endsWithinMs, killSignal: 'SIGKILL' } as const;
    execFile(process.execPath, [launcher, ...args], how, (error, out, err) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, out, err });
    });
  });
}

/** A gateway that was started by its command. Disposing of it ends every process that served. */
export interface RunningGateway extends AsyncDisposable {
  /** The process that was started. */
  readonly child: ChildProcess;
  /** Where it listens first. */
  readonly address: Address;
  readonly admin: string;
  /** The path of its authority's certificate, if it has one. */
  readonly authority: string;
  /** Processes that served, in order. */
  readonly pids: readonly number[];
  /** All it said so far. */
  log(): string;
  /** Has a new process take over. */
  upgrade(): Promise<Ended>;
  status(): Promise<LiveStatus>;
  /** Stops the process that was started, and resolves to its exit code. */
  end(): Promise<number | null>;
}

/** Runs a gateway of this file, in the place's directory, until it serves. */
export async function runGateway(place: Place, { file = 'gateway.yaml', workers = 1 } = {}): Promise<RunningGateway> {
  const args = ['gateway', 'run', file, '--json', '--admin', '127.0.0.1:0', '--workers', String(workers)];
  const child = spawn(process.execPath, [launcher, ...args], { cwd: place.directory, env: environment(place), stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (log += data.toString()));
  const { listeners, admin, authority = '', pid } = await readyLine(child, () => log);
  const [host = '', port = ''] = (listeners[0] ?? '').split(':');
  const pids = [pid];
  return {
    child,
    address: { host, port: Number(port) },
    admin,
    authority,
    pids,
    log: () => log,
    async upgrade() {
      const ended = await haven(place, 'gateway', 'upgrade', '--admin', admin, '--json');
      if (ended.code === 0) pids.push((JSON.parse(ended.out) as { pid: number }).pid);
      return ended;
    },
    status: async () => (await (await fetch(`http://${admin}/status`)).json()) as LiveStatus,
    async end() {
      child.kill('SIGTERM');
      return await exited;
    },
    async [Symbol.asyncDispose]() {
      for (const served of pids) if (isAlive(served)) process.kill(served, 'SIGTERM');
      await exited;
      await until(() => !pids.some(isAlive), 'every process of the gateway ends', 15_000);
    },
  };
}

interface ReadyLine {
  readonly listeners: readonly string[];
  readonly admin: string;
  readonly authority?: string;
  readonly pid: number;
}

/** What it says once it serves; rejects, and ends it, if it does not. */
async function readyLine(child: ChildProcess, log: () => string): Promise<ReadyLine> {
  try {
    await until(() => /"listeners".*\n/.test(log()) || child.exitCode !== null, 'the gateway serves', 30_000);
    const line = log()
      .split('\n')
      .find((text) => text.includes('"listeners"'));
    ok(line, `it did not start: ${log()}`);
    return JSON.parse(line) as ReadyLine;
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

function environment({ directory, home }: Place): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HAVEN_HOME: home === undefined ? '/nonexistent' : join(directory, home) };
}
