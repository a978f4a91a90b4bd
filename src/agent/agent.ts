import { hasCode, messageOf } from '#base/errors';
import { isAbort, onAbort } from '#base/signal';
import { Wakeup } from '#base/wakeup';
import type { Instance, InstanceId, InstanceStatus } from '#model/instance';
import { PREFIX } from '#model/keys';
import { Mirror, type Mirrored } from '#model/mirror';
import type { AgentStatus } from '#model/node';
import type { StoreView } from '#model/store-view';
import { readRecord, writeRecord } from '#world/files';
import type { Address, World } from '#world/world';
import { AgentApi } from './agent-api.ts';
import { admitInstances } from './epoch-guard.ts';
import { AgentFolders } from './folders.ts';
import { InstanceKeeper } from './instance-keeper.ts';
import { type InstanceRecord, loadInstanceRecords } from './instance-record.ts';
import type { KeeperParts } from './keeper-parts.ts';
import { LogKeeper } from './logs/log-keeper.ts';
import { PortBook } from './port-book.ts';
import { type NodeRegistration, Registration, type RegistrationOptions } from './registration.ts';
import { ReleaseStore } from './release-store.ts';
import { RUNTIMES } from './runtimes/runtimes.ts';
import { SecretCache } from './secret-cache.ts';
import type { ArtifactSource, SecretSource, Unpack } from './sources.ts';
import { StartGate } from './start-gate.ts';
import { StatusWriter } from './status-writer.ts';

/** Bytes of output after which a file is rotated; a slot keeps at most twice as much. */
export const DEFAULT_LOG_LIMIT_BYTES = 10 * 1024 * 1024;
const housekeepEveryMs = 2_000;
/** In rounds of housekeeping: how often everything is measured; what was not measured yet does not wait for that. */
const measureEvery = 15;
/** The same: how often releases and output are swept. */
const sweepEvery = 300;

const leastStartsAtOnce = 4;
const startsPerCore = 2;
/** A start that takes longer is one that waits rather than works. */
const startHoldMs = 5_000;

/** What is fixed about the node an agent runs on. */
export type NodeFacts = Omit<AgentStatus, 'address' | 'startedAt'>;

export interface AgentOptions {
  /** Where instances get their ports from, both included. */
  readonly ports: { readonly first: number; readonly last: number };
  /** PATH of instances and install commands. */
  readonly path: string;
  /** Where the agent answers for logs and exec, and the bearer token that may ask. */
  readonly api: { readonly address: Address; readonly token: string };
  readonly logLimitBytes?: number;
  /** At the end of `signal`, tell the cluster that the node leaves for good; else a successor is expected before the lease ends. */
  readonly leaveAtEnd?: boolean;
}

export interface AgentParts {
  readonly world: World;
  readonly view: StoreView;
  readonly node: NodeFacts;
  /** The agent's own folder; nobody else writes there. */
  readonly directory: string;
  readonly artifacts: ArtifactSource;
  readonly unpack: Unpack;
  readonly secrets: SecretSource;
  readonly options: AgentOptions;
  /** How the node's lease is kept: in this event loop unless told (N1). */
  readonly openRegistration?: (options: RegistrationOptions) => NodeRegistration;
  readonly signal: AbortSignal;
}

/** Runs the agent of one node until the signal aborts. Instances go on running then, and the next agent takes them over. */
export async function runAgent(parts: AgentParts): Promise<void> {
  const ending = new AbortController();
  using _listening = onAbort(parts.signal, (reason) => ending.abort(reason));
  const agent = new Agent(parts, ending.signal);
  await agent.recover();
  await using api = await agent.serve();
  const tasks = agent.tasks(api.address).map(async (task) => {
    try {
      await task;
    } catch (error) {
      // One part that fails for good takes the agent down in order; its supervisor starts it again, and no instance notices.
      ending.abort(error);
      throw error;
    }
  });
  const outcomes = await Promise.allSettled(tasks);
  if (parts.options.leaveAtEnd) await agent.leave();
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}

/**
 * Invariants: A1 one keeper per instance. A2 the highest epoch is on disk before anything admitted under it is acted on (N6). A3 nothing is stopped for not being in the
 * mirror before the first complete list.
 */
class Agent {
  readonly #world: World;
  readonly #parts: AgentParts;
  readonly #signal: AbortSignal;
  readonly #folders: AgentFolders;
  readonly #logs: LogKeeper;
  readonly #ports: PortBook;
  readonly #releases: ReleaseStore;
  readonly #secrets: SecretCache;
  readonly #keeperParts: KeeperParts;
  readonly #statuses: StatusWriter;
  readonly #mirror: Mirror<Instance>;
  readonly #changed = new Wakeup();
  readonly #keepersById = new Map<InstanceId, InstanceKeeper>();
  readonly #running = new Set<Promise<void>>();
  readonly #failed = Promise.withResolvers<never>();
  #admitted: ReadonlyMap<string, Mirrored<Instance>> = new Map();
  #highestEpoch = 0;
  #isStatusSweepDue = false;
  #registration: NodeRegistration | undefined;

  constructor(parts: AgentParts, signal: AbortSignal) {
    const { world, node, options } = parts;
    this.#world = world;
    this.#parts = parts;
    this.#signal = signal;
    this.#folders = new AgentFolders(parts.directory);
    this.#logs = new LogKeeper(world, { folders: this.#folders, limitBytes: options.logLimitBytes ?? DEFAULT_LOG_LIMIT_BYTES });
    this.#ports = new PortBook(world, { host: node.host, ...options.ports });
    this.#releases = new ReleaseStore(world, { folders: this.#folders, artifacts: parts.artifacts, unpack: parts.unpack, path: options.path });
    this.#secrets = new SecretCache(parts.secrets);
    this.#statuses = new StatusWriter(world, parts.view);
    this.#mirror = new Mirror<Instance>(world, parts.view, { prefix: PREFIX.instances, onChange: () => this.#changed.ring() });
    const shared = { folders: this.#folders, releases: this.#releases };
    this.#keeperParts = {
      folders: this.#folders,
      runtimes: { process: RUNTIMES.process(world, shared) },
      ports: this.#ports,
      gate: new StartGate(world, { limit: Math.max(leastStartsAtOnce, Math.ceil(startsPerCore * node.capacity.cpu)), holdMs: startHoldMs }),
      logs: this.#logs,
      secrets: this.#secrets,
      host: node.host,
      path: options.path,
      bootId: node.bootId,
      onStatus: (status: InstanceStatus) => this.#statuses.put(status),
    };
  }

  /** Takes over what an earlier agent of this node left, without asking anybody (B4). */
  async recover(): Promise<void> {
    const { clock, log, disk } = this.#world;
    const startedAt = clock.now();
    await disk.makeDirectory(this.#folders.root);
    this.#highestEpoch = await this.#readEpoch();
    const records = await loadInstanceRecords(this.#world, this.#folders);
    const keepers = await Promise.all(records.map((record) => this.#recoverKeeper(record)));
    await this.#releases.recover();
    for (const keeper of keepers) this.#start(keeper);
    if (keepers.length > 0) log.write('info', 'Instances were taken over', { count: keepers.length, tookMs: Math.round(clock.now() - startedAt) });
  }

  async serve(): Promise<AsyncDisposable & { readonly address: Address }> {
    const api = new AgentApi(this.#world, {
      folders: this.#folders,
      logs: this.#logs,
      token: this.#parts.options.api.token,
      keepersById: this.#keepersById,
      loopLag: () => this.#registration?.loopLag,
    });
    return await api.serve(this.#parts.options.api.address);
  }

  tasks(address: Address): Promise<void>[] {
    const { world, view, node } = this.#parts;
    const signal = this.#signal;
    const status: AgentStatus = { ...node, address, startedAt: world.clock.wall() };
    const onRegistered = () => {
      this.#statuses.rewriteAll();
      this.#isStatusSweepDue = true;
      this.#changed.ring();
    };
    this.#registration = this.#parts.openRegistration?.({ status, onRegistered }) ?? new Registration(world, view, { status, onRegistered });
    return [
      this.#registration.run(signal),
      this.#mirror.run(signal),
      this.#statuses.run(signal),
      this.#logs.run(signal),
      this.#follow(),
      this.#housekeep(),
      this.#attend(),
    ];
  }

  async leave(): Promise<void> {
    await this.#registration?.leave().catch((error: unknown) => {
      this.#world.log.write('warn', 'The cluster was not told that this node leaves', { cause: messageOf(error) });
    });
  }

  async #readEpoch(): Promise<number> {
    const read = await readRecord(this.#world.disk, this.#epochPath);
    const epoch = (read?.value as { readonly highestEpoch?: unknown } | undefined)?.highestEpoch;
    return typeof epoch === 'number' ? epoch : 0;
  }

  get #epochPath(): string {
    return `${this.#folders.root}/epoch.json`;
  }

  async #recoverKeeper(record: InstanceRecord): Promise<InstanceKeeper> {
    const keeper = new InstanceKeeper(this.#world, this.#keeperParts, record.instance);
    await keeper.recover(record);
    return keeper;
  }

  /** Brings the keepers in line with the mirror after each change. */
  async #follow(): Promise<void> {
    while (!this.#signal.aborted) {
      try {
        await this.#changed.wait(this.#signal);
        // A3: the registration may be there before the list is.
        if (this.#mirror.revision === 0) continue;
        await this.#reconcile();
        if (this.#isStatusSweepDue) await this.#sweepStatuses();
      } catch (error) {
        if (isAbort(error, this.#signal)) return;
        if (!hasCode(error, 'LIMIT') && !hasCode(error, 'UNAVAILABLE') && !hasCode(error, 'TIMEOUT')) throw error;
        this.#world.log.write('error', 'The wishes of control cannot be followed for now', { cause: messageOf(error) });
        await this.#world.clock.sleep(1_000, this.#signal).catch(() => undefined);
        this.#changed.ring();
      }
    }
  }

  async #reconcile(): Promise<void> {
    const before = { admitted: this.#admitted, highestEpoch: this.#highestEpoch };
    const items = this.#mirror.itemsByKey.values();
    const { admitted, highestEpoch, refused } = admitInstances({ node: this.#parts.node.node, items, revision: this.#mirror.revision, before });
    for (const cause of refused) this.#world.log.write('warn', 'An instance was refused', { cause });
    if (highestEpoch !== this.#highestEpoch) {
      // A2
      await writeRecord(this.#world.disk, this.#epochPath, { highestEpoch });
      this.#highestEpoch = highestEpoch;
    }
    this.#admitted = admitted;
    const wantedIds = new Set<InstanceId>();
    for (const { key, value, modRevision } of admitted.values()) {
      wantedIds.add(value.id);
      if (before.admitted.get(key)?.modRevision !== modRevision) this.#want(value);
    }
    for (const keeper of this.#keepersById.values()) {
      if (!wantedIds.has(keeper.id) && keeper.isWanted) keeper.update(undefined);
    }
  }

  #want(instance: Instance): void {
    const keeper = this.#keepersById.get(instance.id);
    if (!keeper) this.#start(new InstanceKeeper(this.#world, this.#keeperParts, instance));
    else if (!keeper.isWanted || JSON.stringify(keeper.instance) !== JSON.stringify(instance)) keeper.update(instance);
  }

  #start(keeper: InstanceKeeper): void {
    this.#keepersById.set(keeper.id, keeper);
    const run = this.#runKeeper(keeper).catch(this.#failed.reject);
    this.#running.add(run);
    void run.finally(() => this.#running.delete(run));
  }

  async #runKeeper(keeper: InstanceKeeper): Promise<void> {
    await keeper.run(this.#signal);
    if (this.#signal.aborted) return;
    this.#keepersById.delete(keeper.id);
    this.#statuses.delete(keeper.id);
    this.#secrets.forget(keeper.id);
  }

  /** Waits for the keepers at the end; fails when one of them does. */
  async #attend(): Promise<void> {
    const ended = Promise.withResolvers<void>();
    using _listening = onAbort(this.#signal, () => ended.resolve());
    await Promise.race([ended.promise, this.#failed.promise]);
    await Promise.all(this.#running);
  }

  /** Statuses of this node's instances that nobody keeps: their instance went while the agent was away. */
  async #sweepStatuses(): Promise<void> {
    const { items } = await this.#parts.view.list(PREFIX.statuses, { signal: this.#signal });
    this.#isStatusSweepDue = false;
    for (const item of items) {
      const status = JSON.parse(item.value) as InstanceStatus;
      if (status.node === this.#parts.node.node && !this.#keepersById.has(status.id)) this.#statuses.delete(status.id);
    }
  }

  async #housekeep(): Promise<void> {
    for (let round = 1; !this.#signal.aborted; round++) {
      try {
        if (round % sweepEvery === 1) await this.#sweep();
        await this.#world.clock.sleep(housekeepEveryMs, this.#signal);
        for (const keeper of this.#keepersById.values()) if (round % measureEvery === 0 || !keeper.isMeasured) await keeper.measure();
      } catch (error) {
        if (isAbort(error, this.#signal)) return;
        this.#world.log.write('warn', 'Housekeeping failed', { cause: messageOf(error) });
      }
    }
  }

  async #sweep(): Promise<void> {
    const instances = [...this.#keepersById.values()].map((keeper) => keeper.instance);
    await this.#logs.sweep(instances);
    await this.#releases.sweep(new Set(instances.flatMap(({ artifact }) => artifact ?? [])));
  }
}
