import type { AppConfig } from './config.ts';
import { HavenError } from './haven-error.ts';
import { type CallOptions, Transport } from './transport.ts';
import { type WatchItem, watchStore } from './watch.ts';
import type {
  AppView,
  ChangeView,
  DeployEvent,
  DeployRequest,
  DeployView,
  InstanceView,
  PlanRequest,
  PlanView,
  ReleaseView,
  RestartRequest,
  RollbackRequest,
  ScaleRequest,
  SwitchRequest,
} from './wire-app.ts';
import type { CordonRequest, DrainRequest, GatewayView, NodeView, PoolRequest, PoolView, PowerRequest, StatusView } from './wire-cluster.ts';
import type { ArtifactView, EventLine, EventView, ExecLine, ExecRequest, LogLine, SecretRequest, SecretView, WhyView } from './wire-output.ts';

const DEFAULT_ADDRESS = 'http://127.0.0.1:7700';
/** An upload may take its time; the cluster gives up earlier on one that stands still. */
const UPLOAD_TIMEOUT_MS = 600_000;

/** Where the cluster is and who asks. */
export interface ConnectOptions {
  /** `http://127.0.0.1:7700` */
  readonly address?: string;
  readonly token: string;
}

/** Which events are meant: of one object (`node/worker-1`), of an app with all it has, or all. `tail`: only the last so many. */
export interface EventQuery extends CallOptions {
  readonly object?: string;
  readonly app?: string;
  readonly tail?: number;
}

/** Whose output is meant. `tail`: begin with the last so many lines of each instance. */
export interface LogQuery {
  readonly app: string;
  readonly service?: string;
  readonly slot?: number;
  readonly id?: string;
  readonly tail?: number;
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

/** What `deployAndWait` needs besides the config. */
export interface DeployOptions extends Omit<DeployRequest, 'config'>, CallOptions {
  /** Told everything that happens until the end. */
  readonly onEvent?: (event: DeployEvent) => void;
}

/** A client of the cluster at `address`. Nothing is asked before the first call. */
export function connect(options: ConnectOptions): HavenClient {
  return new HavenClient(options);
}

/** Everything the command line can do, for programs. Failures are HavenError; tell them apart by `code`. */
export class HavenClient {
  readonly #transport: Transport;

  constructor({ address = DEFAULT_ADDRESS, token }: ConnectOptions) {
    this.#transport = new Transport({ address, token });
  }

  async status(options?: CallOptions): Promise<StatusView> {
    return await this.#get('/v1/status', options);
  }

  // Pools and nodes

  /** Makes a pool of nodes, or changes its size, and waits until they are ready. */
  async createCluster(pool: string, options: PoolRequest & CallOptions): Promise<readonly NodeView[]> {
    const { nodes, resources, signal, timeoutMs = 60_000 } = options;
    await this.putPool(pool, { nodes, ...(resources ? { resources } : {}) }, signal ? { signal } : {});
    const deadline = performance.now() + timeoutMs;
    while (true) {
      const ready = (await this.nodes(signal ? { signal } : {})).filter((node) => node.pool === pool && node.condition === 'ready');
      if (ready.length >= nodes) return ready;
      if (performance.now() > deadline) {
        const details = { pool, ready: ready.length, wanted: nodes };
        throw new HavenError({
          code: 'TIMEOUT',
          message: `Pool "${pool}" has ${ready.length} of ${nodes} nodes ready after ${timeoutMs} ms; it goes on`,
          details,
        });
      }
      await pause(100, signal);
    }
  }

  async pools(options?: CallOptions): Promise<readonly PoolView[]> {
    return await this.#get('/v1/pools', options);
  }

  async putPool(pool: string, request: PoolRequest, options?: CallOptions): Promise<PoolView> {
    return await this.#transport.call({ method: 'PUT', path: `/v1/pools/${part(pool)}`, body: request }, options);
  }

  async removePool(pool: string, options?: CallOptions): Promise<PoolView> {
    return await this.#transport.call({ method: 'DELETE', path: `/v1/pools/${part(pool)}` }, options);
  }

  async nodes(options?: CallOptions): Promise<readonly NodeView[]> {
    return await this.#get('/v1/nodes', options);
  }

  async gateways(options?: CallOptions): Promise<readonly GatewayView[]> {
    return await this.#get('/v1/gateways', options);
  }

  async cordonNode(node: string, request: CordonRequest = {}, options?: CallOptions): Promise<NodeView> {
    return await this.#post(`/v1/nodes/${part(node)}/cordon`, request, options);
  }

  async uncordonNode(node: string, options?: CallOptions): Promise<NodeView> {
    return await this.#post(`/v1/nodes/${part(node)}/uncordon`, {}, options);
  }

  /** Begins to move all instances off a node; `nodes()` shows how many are left. */
  async drainNode(node: string, request: DrainRequest = {}, options?: CallOptions): Promise<NodeView> {
    return await this.#post(`/v1/nodes/${part(node)}/drain`, request, options);
  }

  async undrainNode(node: string, options?: CallOptions): Promise<NodeView> {
    return await this.#post(`/v1/nodes/${part(node)}/undrain`, {}, options);
  }

  async powerNode(node: string, request: PowerRequest, options?: CallOptions): Promise<NodeView> {
    return await this.#post(`/v1/nodes/${part(node)}/power`, request, options);
  }

  // Apps

  async apps(options?: CallOptions): Promise<readonly AppView[]> {
    return await this.#get('/v1/apps', options);
  }

  async app(app: string, options?: CallOptions): Promise<AppView> {
    return await this.#get(`/v1/apps/${part(app)}`, options);
  }

  async plan(app: string, request: PlanRequest, options?: CallOptions): Promise<PlanView> {
    return await this.#post(`/v1/apps/${part(app)}/plan`, request, options);
  }

  /** Makes the config the wanted release and returns; see `followDeploy` and `deployAndWait`. */
  async deploy(app: string, request: DeployRequest, options?: CallOptions): Promise<DeployView> {
    return await this.#post(`/v1/apps/${part(app)}/deploy`, request, options);
  }

  /** Deploys and returns how it ended. The deploy goes on if the signal aborts. */
  async deployAndWait(config: AppConfig, options: DeployOptions = {}): Promise<Extract<DeployEvent, { readonly kind: 'result' }>> {
    const { onEvent, signal, timeoutMs: _timeoutMs, ...request } = options;
    const { release } = await this.deploy(config.name, { ...request, config }, signal ? { signal } : {});
    for await (const event of this.followDeploy(config.name, release, signal ? { signal } : {})) {
      onEvent?.(event);
      if (event.kind === 'result') return event;
    }
    if (signal?.aborted)
      throw new HavenError({ code: 'ABORTED', message: `Release ${release} of ${config.name} is not followed any more; it goes on`, details: { release } });
    throw new HavenError({ code: 'UNAVAILABLE', message: `Cannot tell how release ${release} of ${config.name} ended`, details: { release } });
  }

  /** What happens until the deploy is over; the `result` is the last. */
  followDeploy(app: string, release: number, options: { readonly signal?: AbortSignal } = {}): AsyncIterable<DeployEvent> {
    return this.#transport.lines({ method: 'GET', path: `/v1/apps/${part(app)}/deploys/${release}/follow` }, options);
  }

  async releases(app: string, options?: CallOptions): Promise<readonly ReleaseView[]> {
    return await this.#get(`/v1/apps/${part(app)}/releases`, options);
  }

  async rollback(app: string, request: RollbackRequest = {}, options?: CallOptions): Promise<DeployView> {
    return await this.#post(`/v1/apps/${part(app)}/rollback`, request, options);
  }

  async removeApp(app: string, options?: CallOptions): Promise<ChangeView> {
    return await this.#transport.call({ method: 'DELETE', path: `/v1/apps/${part(app)}` }, options);
  }

  async scale(app: string, service: string, request: ScaleRequest, options?: CallOptions): Promise<ChangeView> {
    return await this.#post(`/v1/apps/${part(app)}/services/${part(service)}/scale`, request, options);
  }

  async switchActive(app: string, service: string, request: SwitchRequest = {}, options?: CallOptions): Promise<ChangeView> {
    return await this.#post(`/v1/apps/${part(app)}/services/${part(service)}/switch`, request, options);
  }

  /** Replaces the instances of a service one after the other, or that of one slot. */
  async restart(app: string, service: string, request: RestartRequest = {}, options?: CallOptions): Promise<ChangeView> {
    return await this.#post(`/v1/apps/${part(app)}/services/${part(service)}/restart`, request, options);
  }

  async instances(options: CallOptions & { readonly app?: string; readonly service?: string; readonly slot?: number } = {}): Promise<readonly InstanceView[]> {
    const { app, service, slot, ...call } = options;
    const all = await this.#get<readonly InstanceView[]>(`/v1/instances${query({ app })}`, call);
    return all.filter((instance) => (service ?? instance.service) === instance.service && (slot ?? instance.slot) === instance.slot);
  }

  // Looking closer

  async events({ object, app, tail, ...options }: EventQuery = {}): Promise<readonly EventView[]> {
    return await this.#get(`/v1/events${query({ object, app, limit: tail })}`, options);
  }

  /** The last events, then those that come, until the signal aborts. */
  followEvents({ object, app, tail, signal }: EventQuery = {}): AsyncIterable<EventLine> {
    return this.#transport.lines({ method: 'GET', path: `/v1/events${query({ object, app, limit: tail, follow: 1 })}` }, signal ? { signal } : {});
  }

  /** Why an object is as it is: `shop`, `shop/web.2`, `worker-1`. */
  async why(object: string, options?: CallOptions): Promise<WhyView> {
    return await this.#get(`/v1/why${query({ object })}`, options);
  }

  logs({ app, service, slot, id, tail, follow, signal }: LogQuery): AsyncIterable<LogLine> {
    const path = `/v1/apps/${part(app)}/logs${query({ service, slot, id, tail, follow: follow ? 1 : undefined })}`;
    return this.#transport.lines({ method: 'GET', path }, signal ? { signal } : {});
  }

  exec(id: string, request: ExecRequest, options: { readonly signal?: AbortSignal } = {}): AsyncIterable<ExecLine> {
    return this.#transport.lines({ method: 'POST', path: `/v1/instances/${part(id)}/exec`, body: request }, options);
  }

  /**
   * All objects below a prefix of the store, such as `/apps/`, then every change. Goes on from its revision when the link breaks; where history is
   * gone it sends everything again as a `resync`.
   */
  watch<Value = unknown>(prefix: string, options: { readonly signal?: AbortSignal } = {}): AsyncIterable<WatchItem<Value>> {
    return watchStore(this.#transport, prefix, options);
  }

  // Secrets and files

  async secrets(options?: CallOptions): Promise<readonly SecretView[]> {
    return await this.#get('/v1/secrets', options);
  }

  async setSecret(secret: string, request: SecretRequest, options?: CallOptions): Promise<SecretView> {
    return await this.#transport.call({ method: 'PUT', path: `/v1/secrets/${part(secret)}`, body: request }, options);
  }

  async removeSecret(secret: string, options?: CallOptions): Promise<SecretView> {
    return await this.#transport.call({ method: 'DELETE', path: `/v1/secrets/${part(secret)}` }, options);
  }

  async hasArtifact(artifact: string, options?: CallOptions): Promise<boolean> {
    try {
      await this.#transport.call({ method: 'HEAD', path: `/v1/artifacts/${part(artifact)}` }, options);
      return true;
    } catch (error) {
      if (error instanceof HavenError && error.code === 'NOT_FOUND') return false;
      throw error;
    }
  }

  /** Uploads packed files under their digest, `sha256-HEX`. */
  async putArtifact(
    artifact: string,
    bytes: Uint8Array | AsyncIterable<Uint8Array>,
    options: CallOptions & { readonly sizeBytes?: number } = {},
  ): Promise<ArtifactView> {
    const { sizeBytes: _sizeBytes, ...call } = options;
    const headers = { 'content-type': 'application/octet-stream' };
    return await this.#transport.call({ method: 'PUT', path: `/v1/artifacts/${part(artifact)}`, bytes, headers }, { timeoutMs: UPLOAD_TIMEOUT_MS, ...call });
  }

  async #get<Value>(path: string, options: CallOptions | undefined): Promise<Value> {
    return await this.#transport.call<Value>({ method: 'GET', path }, options);
  }

  async #post<Value>(path: string, body: unknown, options: CallOptions | undefined): Promise<Value> {
    return await this.#transport.call<Value>({ method: 'POST', path, body }, options);
  }
}

function part(text: string): string {
  return encodeURIComponent(text);
}

function query(values: Readonly<Record<string, string | number | undefined>>): string {
  const pairs = Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]));
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

async function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  signal?.throwIfAborted();
}
