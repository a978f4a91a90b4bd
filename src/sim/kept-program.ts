import { messageOf } from '#base/errors';
import type { SimulatedHost } from '#world/simulated/simulated-host';
import type { ProcessSignal, RunningProcess } from '#world/world';

const restartMs = 1_000;

/** A program that a supervisor keeps running on one host: started again a second after its end. The supervisor itself never fails here. */
export class KeptProgram {
  readonly host: SimulatedHost;
  readonly #command: string;
  readonly #args: readonly string[];
  #process: RunningProcess | undefined;
  #isHeldDown = false;

  constructor(host: SimulatedHost, command: string, args: readonly string[]) {
    this.host = host;
    this.#command = command;
    this.#args = args;
    this.start();
  }

  /** After the host came up, or after `holdDown`. */
  start(): void {
    this.#isHeldDown = false;
    this.#process = undefined;
    if (this.host.isUp) this.#run().catch((error: unknown) => this.host.world.log.write('error', 'cannot be kept', { cause: messageOf(error) }));
  }

  /** Ends it at once, without a chance to say so; the supervisor starts it again. */
  kill(): void {
    this.#signal('SIGKILL');
  }

  /** Ends it at once, and nobody starts it again before `start`. */
  holdDown(): void {
    this.#isHeldDown = true;
    this.kill();
  }

  pause(): void {
    this.#signal('SIGSTOP');
  }

  resume(): void {
    this.#signal('SIGCONT');
  }

  #signal(signal: ProcessSignal): void {
    void this.#process?.signal(signal);
  }

  async #run(): Promise<void> {
    const { world, incarnation } = this.host;
    while (!this.#isHeldDown && incarnation === this.host.incarnation) {
      const process = await world.processes.spawn({ command: this.#command, args: this.#args, workingDirectory: '/', environment: {}, outputPath: '/output' });
      this.#process = process;
      await process.exited;
      await world.clock.sleep(restartMs);
    }
  }
}
