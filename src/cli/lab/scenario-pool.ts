import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { PlatformError } from '#base/errors';

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

interface Waiting {
  readonly id: number;
  readonly task: unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Threads that run plain-data tasks, one per core; tasks wait in order. Answers come back as plain data. `entry` is the threads' file beside this one. */
export class ScenarioPool implements AsyncDisposable {
  readonly #workers: Worker[] = [];
  readonly #idle: Worker[] = [];
  readonly #queue: Waiting[] = [];
  readonly #running = new Map<Worker, Waiting>();
  #nextId = 0;

  constructor(threads = availableParallelism(), entry = 'scenario-worker') {
    for (let index = 0; index < threads; index += 1) {
      const worker = new Worker(new URL(`./${entry}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url));
      worker.on('message', (answer: Answer) => this.#settle(worker, answer));
      worker.on('error', (error) => {
        this.#running.get(worker)?.reject(error);
        this.#running.delete(worker);
      });
      this.#workers.push(worker);
      this.#idle.push(worker);
    }
  }

  get threads(): number {
    return this.#workers.length;
  }

  /** Runs one task in the next free thread. */
  run(task: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#nextId += 1;
      this.#queue.push({ id: this.#nextId, task, resolve, reject });
      this.#pump();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #pump(): void {
    for (let worker = this.#idle.pop(); worker !== undefined; worker = this.#idle.pop()) {
      const waiting = this.#queue.shift();
      if (waiting === undefined) {
        this.#idle.push(worker);
        return;
      }
      this.#running.set(worker, waiting);
      worker.postMessage({ id: waiting.id, task: waiting.task });
    }
  }

  #settle(worker: Worker, answer: Answer): void {
    const waiting = this.#running.get(worker);
    this.#running.delete(worker);
    this.#idle.push(worker);
    if (answer.error !== undefined) waiting?.reject(new PlatformError(answer.error.code === 'UNSUPPORTED' ? 'UNSUPPORTED' : 'INVALID', answer.error.message));
    else waiting?.resolve(answer.result);
    this.#pump();
  }
}
