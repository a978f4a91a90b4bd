import { PlatformError } from '#base/errors';
import type { Instance, InstanceStatus } from '#model/instance';
import { keyOf, PREFIX } from '#model/keys';
import { Mirror } from '#model/mirror';
import type { AgentStatus } from '#model/node';
import type { BackendReport, GatewayStatus } from '#model/route';
import type { StoreView } from '#model/store-view';
import type { World } from '#world/world';

/** An instance with what its agent and the gateway say of it. */
export interface SeenInstance {
  readonly instance: Instance;
  readonly status: InstanceStatus | undefined;
  readonly report: BackendReport | undefined;
  /** Runs, is wanted, and the gateway sends it requests. */
  readonly isServing: boolean;
}

/** The cluster as it changes, for telling when something was noticed. */
export class ClusterWatch {
  readonly #world: World;
  readonly #instances: Mirror<Instance>;
  readonly #statuses: Mirror<InstanceStatus>;
  readonly #gateways: Mirror<GatewayStatus>;
  readonly #agents: Mirror<AgentStatus>;
  readonly #listeners = new Set<() => void>();

  constructor(world: World, view: StoreView) {
    const onChange = () => {
      for (const listener of this.#listeners) listener();
    };
    this.#world = world;
    this.#instances = new Mirror(world, view, { prefix: PREFIX.instances, onChange });
    this.#statuses = new Mirror(world, view, { prefix: PREFIX.statuses, onChange });
    this.#gateways = new Mirror(world, view, { prefix: PREFIX.gateways, onChange });
    this.#agents = new Mirror(world, view, { prefix: PREFIX.agents, onChange });
  }

  get #all(): readonly Mirror<unknown>[] {
    return [this.#instances, this.#statuses, this.#gateways, this.#agents];
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#all.map((mirror) => mirror.run(signal)));
  }

  instances(service?: string): SeenInstance[] {
    const gateways = this.#gateways.values();
    return this.#instances
      .values()
      .filter((instance) => service === undefined || instance.service === service)
      .map((instance) => {
        const status = this.#statuses.get(keyOf.status(instance.id))?.value;
        const reports = gateways.flatMap((gateway) => gateway.backends[instance.id] ?? []);
        const report = reports.find(({ attempt }) => attempt === status?.attempt);
        const isServing = instance.intent.kind === 'run' && status?.phase === 'running' && report?.health === 'passing';
        return { instance, status, report, isServing };
      });
  }

  agents(): AgentStatus[] {
    return this.#agents.values();
  }

  /** Resolves to the ms that passed until `claim` held; TIMEOUT names it. */
  async until(claim: string, holds: () => boolean, options: { readonly withinMs: number; readonly signal: AbortSignal }): Promise<number> {
    const startedAt = this.#world.clock.now();
    if (holds()) return 0;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const listener = () => holds() && resolve();
    this.#listeners.add(listener);
    using _deadline = this.#world.clock.after(options.withinMs, () =>
      reject(new PlatformError('TIMEOUT', `Gave up waiting until ${claim}, after ${options.withinMs / 1_000} s`)),
    );
    const abort = () => reject(options.signal.reason);
    options.signal.addEventListener('abort', abort, { once: true });
    try {
      await promise;
    } finally {
      this.#listeners.delete(listener);
      options.signal.removeEventListener('abort', abort);
    }
    return this.#world.clock.now() - startedAt;
  }
}
