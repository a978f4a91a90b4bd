import type { Instance } from '#model/instance';
import type { ProcessIdentity, ProcessLimits, RunningProcess, World } from '#world/world';
import type { AgentFolders } from '../folders.ts';
import type { ReleaseStore } from '../release-store.ts';
import type { Launch, Runtime } from './runtime.ts';

type PrepareOptions = Parameters<Runtime['prepare']>[1];

/** Plain processes in the unpacked folder of their release; without an artifact, in the data folder of their slot. */
export class ProcessRuntime implements Runtime {
  readonly #world: World;
  readonly #folders: AgentFolders;
  readonly #releases: ReleaseStore;

  constructor(world: World, parts: { readonly folders: AgentFolders; readonly releases: ReleaseStore }) {
    this.#world = world;
    this.#folders = parts.folders;
    this.#releases = parts.releases;
  }

  async prepare(instance: Instance, { onActivity, signal }: PrepareOptions): Promise<void> {
    const { artifact, spec } = instance;
    if (artifact === undefined) return;
    const onReason = (reason: string) => onActivity({ phase: 'fetching', reason });
    onReason(`fetching ${artifact.slice(0, 19)}`);
    await this.#releases.fetch(artifact, { timeoutMs: spec.fetchTimeoutMs, onReason, signal });
    if (!spec.install) return;
    onActivity({ phase: 'installing', reason: `installing: ${spec.install.command.join(' ')}` });
    await this.#releases.install(artifact, { command: spec.install, environment: instance.environment, signal });
  }

  async isPrepared(instance: Instance): Promise<boolean> {
    if (instance.artifact === undefined) return true;
    return await this.#releases.has(instance.artifact, instance.spec.install);
  }

  workingDirectory(instance: Instance): string {
    return instance.artifact === undefined ? this.#folders.data(instance) : this.#folders.release(instance.artifact);
  }

  async start({ instance, environment, outputPath, token }: Launch): Promise<RunningProcess> {
    const [command, ...args] = instance.spec.run.command;
    const workingDirectory = this.workingDirectory(instance);
    return await this.#world.processes.spawn({ command, args, workingDirectory, environment, outputPath, token, limits: limitsOf(instance) });
  }

  adopt(identity: ProcessIdentity): Promise<RunningProcess | undefined> {
    return this.#world.processes.adopt(identity);
  }

  find(token: string): Promise<RunningProcess | undefined> {
    return this.#world.processes.find(token);
  }
}

/** Memory is a bound, because one instance's leak must not end its neighbours. A share of the processor is not: an idle core may be used by anybody. */
function limitsOf(instance: Instance): ProcessLimits {
  const { memoryBytes } = instance.spec.resources;
  return memoryBytes > 0 ? { memoryBytes } : {};
}
