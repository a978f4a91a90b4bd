import { formatDuration } from '#base/duration';
import { hasCode, messageOf, PlatformError } from '#base/errors';
import { onAbort } from '#base/signal';
import type { CommandSpec } from '#model/spec';
import { readRecord, writeRecord } from '#world/files';
import { newProcessToken } from '#world/process-token';
import type { ProcessExit, RunningProcess, World } from '#world/world';
import { LineSplitter } from './logs/line-splitter.ts';
import { LogFile } from './logs/log-file.ts';
import { PrepareFailure } from './prepare-failure.ts';

const outputLines = 20;
const outputTailBytes = 64 * 1024;
const outputLimitBytes = 4 * 1024 * 1024;
const outputPollMs = 200;
const lookMs = 50;
const maxLooks = 200;

interface InstallRun {
  readonly command: CommandSpec;
  /** Of the app: a package manager may need a registry's address. Secrets are not given to install steps. */
  readonly environment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** What the next agent needs to find the command. */
interface InstallRecord {
  readonly token: string;
}

/** Runs install commands, such as `npm ci`, in the folder of a release. Their output stays beside the folder in `FOLDER.install.log`. */
export class InstallStep {
  readonly #world: World;
  readonly #path: string;

  constructor(world: World, options: { readonly path: string }) {
    this.#world = world;
    this.#path = options.path;
  }

  /** Ends the install of an agent that did not live to see its end: nobody knows how far it came, so it has to run again. */
  async endLeftover(recordPath: string): Promise<void> {
    const record = await readRecord(this.#world.disk, recordPath);
    const running = record ? await this.#world.processes.find((record.value as InstallRecord).token) : undefined;
    if (running) await this.#end(running);
    await this.#forget(recordPath);
  }

  /** Resolves after success. PrepareFailure with the last lines if the command fails or takes too long. */
  async run(folder: string, { command, environment, signal }: InstallRun): Promise<void> {
    const { disk, clock, random } = this.#world;
    const outputPath = `${folder}.install.log`;
    const recordPath = `${folder}.installing`;
    const text = command.command.join(' ');
    await disk.remove(outputPath);
    const token = newProcessToken(random);
    // Before the start: an agent that dies in it leaves a command that only its token can name.
    await writeRecord(disk, recordPath, { token } satisfies InstallRecord);
    const running = await this.#spawn(folder, { command, environment, outputPath, token }).catch(async (error: unknown) => {
      await this.#forget(recordPath);
      throw error;
    });
    const cut = Promise.withResolvers<'timeout' | 'aborted'>();
    using _timer = clock.after(command.timeoutMs, () => cut.resolve('timeout'));
    using _listening = onAbort(signal, () => cut.resolve('aborted'));
    const outcome = await this.#watch(Promise.race([running.exited, cut.promise]), outputPath);
    // What the command left in the background would outlive its purpose.
    await this.#end(running);
    await this.#forget(recordPath);
    signal.throwIfAborted();
    if (typeof outcome === 'object' && outcome.code === 0) return;
    const why = typeof outcome === 'object' ? exitText(outcome) : `took longer than ${formatDuration(command.timeoutMs)}`;
    throw new PrepareFailure('install-failed', `the install command "${text}" ${why}`, { output: await this.#lastLines(outputPath) });
  }

  /** The outcome, while the output is kept bounded. */
  async #watch<Outcome>(outcome: Promise<Outcome>, outputPath: string): Promise<Outcome> {
    const file = new LogFile(this.#world.disk, { path: outputPath, serial: 0, attempt: 0 });
    const watching = new AbortController();
    const polling = (async () => {
      while (!watching.signal.aborted) {
        await file.poll(outputLimitBytes);
        await this.#world.clock.sleep(outputPollMs, watching.signal).catch(() => undefined);
      }
    })();
    try {
      return await outcome;
    } finally {
      watching.abort(new PlatformError('ABORTED', 'The install command has ended'));
      await polling;
    }
  }

  async #spawn(
    folder: string,
    options: { readonly command: CommandSpec; readonly environment: InstallRun['environment']; readonly outputPath: string; readonly token: string },
  ): Promise<RunningProcess> {
    const [command, ...args] = options.command.command;
    // Cleaned: nothing of the agent's own environment but PATH, and a home of its own for caches.
    const home = `${folder}.home`;
    await this.#world.disk.makeDirectory(home);
    const environment = { ...options.environment, PATH: this.#path, HOME: home, CI: '1' };
    try {
      return await this.#world.processes.spawn({ command, args, workingDirectory: folder, environment, outputPath: options.outputPath, token: options.token });
    } catch (error) {
      if (!hasCode(error, 'NOT_FOUND') && !hasCode(error, 'DENIED')) throw error;
      throw new PrepareFailure('install-failed', `the install command could not be started: ${messageOf(error)}`, { cause: error });
    }
  }

  async #end(running: RunningProcess): Promise<void> {
    for (let looks = 0; looks < maxLooks; looks++) {
      if (!(await running.hasMembers())) return;
      await running.signal('SIGKILL');
      await this.#world.clock.sleep(lookMs);
    }
    this.#world.log.write('error', 'An install command cannot be ended', { pid: running.identity.pid });
  }

  async #forget(recordPath: string): Promise<void> {
    await this.#world.disk.remove(recordPath);
    await this.#world.disk.remove(`${recordPath}.previous`);
  }

  async #lastLines(path: string): Promise<string[]> {
    await using file = await this.#world.disk.open(path, 'read');
    const { sizeBytes } = await file.stat();
    const splitter = new LineSplitter();
    const lines = splitter.push(await file.read(Math.max(0, sizeBytes - outputTailBytes), outputTailBytes));
    const rest = splitter.flush();
    return [...lines, ...(rest === undefined ? [] : [rest])].slice(-outputLines);
  }
}

function exitText(exit: ProcessExit): string {
  if (exit.code !== undefined) return `exited with code ${exit.code}`;
  return exit.signal === undefined ? 'ended' : `was ended by ${exit.signal}`;
}
