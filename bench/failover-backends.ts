import { type ChildProcess, fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackendMode } from './failover-backend.ts';

const entry = join(import.meta.dirname, 'failover-backend.ts');

/** One backend that can be killed, stopped, started again at its port, and told how to misbehave. */
export class FailoverBackend {
  readonly name: string;
  readonly port: number;
  readonly #record: string;
  #child: ChildProcess | undefined;

  constructor(name: string, port: number, directory: string) {
    this.name = name;
    this.port = port;
    this.#record = join(directory, `${name}.record`);
  }

  async start(): Promise<void> {
    const env = { ...process.env, NAME: this.name, PORT: String(this.port), RECORD: this.#record, DELAY_MS: '20' };
    const child = fork(entry, [], { execArgv: [], env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child = child;
    const listening = Promise.withResolvers<void>();
    child.once('message', () => listening.resolve());
    child.once('exit', () => listening.reject(new Error(`${this.name} ended before it listened`)));
    await listening.promise;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGKILL');
    await ended;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  behave(mode: BackendMode): void {
    this.#child?.send(mode);
  }

  /** Ids of POSTs it got, and when it got how many requests (ms since 1970). */
  async seen(): Promise<{ readonly posts: readonly string[]; readonly arrivals: readonly { readonly at: number; readonly count: number }[] }> {
    const lines = (await readFile(this.#record, 'utf8')).split('\n');
    return {
      posts: lines.filter((line) => line.startsWith('post ')).map((line) => line.slice(5)),
      arrivals: lines
        .filter((line) => line.startsWith('arrived '))
        .map((line) => {
          const [, at, count] = line.split(' ');
          return { at: Number(at), count: Number(count) };
        }),
    };
  }
}
