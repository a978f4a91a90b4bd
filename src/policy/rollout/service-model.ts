/**
 * A small world around the rollout policy for its property tests: nodes, agents, two gateways and a clock, all of which obey late, and a check of the
 * rules at every step. Not part of the product.
 */
import type { Name } from '#base/name';
import type { App, Release, ServiceState } from '#model/app';
import { exampleService } from '#model/example-service';
import type { Instance, InstanceId, InstanceStatus } from '#model/instance';
import { later, type Moment } from '#model/moment';
import type { GatewayStatus, Route } from '#model/route';
import type { ServiceSpec, UpdateSpec } from '#model/spec';
import type { PlacementNode } from '../placement/request.ts';
import type { RolloutAction } from './action.ts';
import { applyActions } from './apply-actions.ts';
import { type Observation, observe } from './observation.ts';
import { planService, type ServicePlan } from './plan-service.ts';
import { readinessOf } from './readiness.ts';
import { checkRules } from './rollout-rules.ts';
import { routeOf } from './route-of.ts';
import type { HostState, InstanceFacts, ServiceSnapshot } from './service-snapshot.ts';

export const APP = 'shop' as Name;
export const SERVICE = 'web' as Name;

/** How instances of a release behave once started. */
export type Quality = 'good' | 'crashes' | 'never-ready';

export interface ModelOptions {
  readonly nodes: number;
  readonly count: number;
  readonly mode?: ServiceSpec['mode'];
  readonly update?: Partial<UpdateSpec>;
  /** Uniform in [0, 1): decides every delay. */
  readonly luck: () => number;
}

interface ModelNode {
  heard: boolean;
  /** The machine: off means its instances are dead. */
  powered: boolean;
  drainDeadline: Moment | undefined;
}

interface Runner {
  phase: InstanceStatus['phase'];
  attempt: number;
  nextAt: Moment;
}

interface ModelGateway {
  alive: boolean;
  appliedRevision: number;
  applied: Route | undefined;
  nextApplyAt: Moment;
  readonly health: Map<string, { passing: boolean | undefined; transitions: number; attempt: number; nextAt: Moment }>;
}

/** The spec of the modelled service; `version` tells releases apart. */
export function modelSpec(version: number, { count, mode, update }: Pick<ModelOptions, 'count' | 'mode' | 'update'>): ServiceSpec {
  const run = { kind: 'process' as const, command: ['node', `server-${version}.js`] as const };
  const { update: usual, ...spec } = exampleService(SERVICE, { run, count, resources: { cpu: 0.1, memoryBytes: 1 } });
  return { ...spec, ...(mode === undefined ? {} : { mode }), update: { ...usual, ...update } };
}

export class ServiceModel {
  readonly options: ModelOptions;
  now = 1_000_000 as Moment;
  revision = 1;
  app: App = { name: APP, release: 0, counts: {}, removing: false, activeSlots: {} };
  readonly releases = new Map<number, Release>();
  readonly qualities = new Map<number, Quality>();
  state: ServiceState = { app: APP, service: SERVICE, nextSerial: 1, internalPort: 7800, rollout: { phase: 'idle', release: 0 }, pending: [] };
  instances = new Map<InstanceId, Instance>();
  readonly statuses = new Map<InstanceId, InstanceStatus>();
  readonly runners = new Map<InstanceId, Runner>();
  readonly nodes = new Map<Name, ModelNode>();
  readonly gateways = new Map<Name, ModelGateway>();
  /** Instances whose process runs but answers its checks no longer. */
  readonly sick = new Set<InstanceId>();
  route: { value: Route; revision: number } | undefined;
  observations = new Map<InstanceId, Observation>();
  /** Every action taken, for assertions of a test. */
  readonly history: { readonly at: Moment; readonly action: RolloutAction }[] = [];

  constructor(options: ModelOptions) {
    this.options = options;
    for (let index = 1; index <= options.nodes; index++) this.nodes.set(`worker-${index}` as Name, { heard: true, powered: true, drainDeadline: undefined });
    for (const name of ['gateway-1', 'gateway-2'])
      this.gateways.set(name as Name, { alive: true, appliedRevision: 0, applied: undefined, nextApplyAt: this.now, health: new Map() });
  }

  deploy(quality: Quality, changes: Partial<ServiceSpec> = {}): void {
    const number = this.releases.size + 1;
    const spec = { ...modelSpec(number, this.options), ...changes };
    for (const [earlier, release] of this.releases) {
      if (release.outcome.kind === 'rolling') this.releases.set(earlier, { ...release, outcome: { kind: 'superseded', at: this.now, by: number } });
    }
    this.releases.set(number, {
      app: APP,
      number,
      spec: { name: APP, services: { [SERVICE]: spec }, environment: {}, secrets: [], revertScope: 'service' },
      createdAt: this.now,
      outcome: { kind: 'rolling' },
    });
    this.qualities.set(number, quality);
    this.app = { ...this.app, release: number };
  }

  get count(): number {
    return this.app.removing ? 0 : (this.app.counts[SERVICE] ?? this.releases.get(this.app.release)?.spec.services[SERVICE]?.count ?? 0);
  }

  /** Everything moves on by `stepMs`; control acts last, on what it can see. */
  step(stepMs: number): void {
    this.now = later(this.now, stepMs);
    for (const [id, instance] of this.instances) this.#moveAgent(id, instance);
    for (const [, gateway] of this.gateways) if (gateway.alive) this.#moveGateway(gateway);
    this.control();
  }

  /** One pass of control, with the rules checked on what it decides. */
  control(): ServicePlan {
    const snapshot = this.snapshot();
    const plan = planService(snapshot, this.now);
    checkRules(this, snapshot, plan);
    this.#writeRoute(snapshot);
    for (const action of plan.actions) this.#note(action);
    const instances = [...this.instances.values()];
    for (const [id, instance] of applyActions(instances, plan.actions, { app: APP, service: SERVICE, epoch: 7, now: this.now })) {
      if (instance !== undefined) this.instances.set(id, instance);
      else for (const map of [this.instances, this.statuses, this.runners, this.observations]) map.delete(id);
    }
    this.state = plan.state;
    this.revision++;
    return plan;
  }

  snapshot(): ServiceSnapshot {
    const gateways = [...this.gateways].filter(([, gateway]) => gateway.alive).map(([name, gateway]) => this.#report(name, gateway));
    const facts = [...this.instances.values()].map((instance): InstanceFacts => {
      const status = this.statuses.get(instance.id);
      const host = this.#host(instance.node);
      const readiness = readinessOf(
        { instance, status, isAgentHeard: host.kind !== 'lost' && host.kind !== 'gone' },
        { ...(this.route && { route: this.route }), gateways },
      );
      const observation = observe(this.observations.get(instance.id), { instance, status, readiness }, this.now);
      this.observations.set(instance.id, observation);
      return { instance, status, host, readiness, observation };
    });
    const nodes = [...this.nodes].map(
      ([name, node]): PlacementNode => ({
        name,
        pool: 'worker' as Name,
        condition: node.heard ? 'ready' : 'lost',
        ...(node.drainDeadline === undefined ? {} : { closed: 'is draining' }),
        labels: {},
        capacity: { cpu: 4, memoryBytes: 1_000 },
        assigned: facts
          .filter(({ instance }) => instance.node === name)
          .map(({ instance }) => ({
            id: instance.id,
            app: APP,
            service: SERVICE,
            resources: instance.spec.resources,
            ...(instance.intent.kind === 'run' ? {} : { leaves: true as const }),
          })),
      }),
    );
    return { app: this.app, service: SERVICE, releases: this.releases, state: this.state, instances: facts, nodes, ports: new Map([[SERVICE, 7800]]) };
  }

  /** Instances that are ready at every live gateway and meant to run. */
  ready(): Instance[] {
    return this.snapshot()
      .instances.filter((facts) => facts.instance.intent.kind === 'run' && facts.readiness.ready)
      .map((facts) => facts.instance);
  }

  #host(name: Name): HostState {
    const node = this.nodes.get(name);
    if (node === undefined) return { kind: 'gone' };
    if (!node.heard) return { kind: 'lost' };
    return node.drainDeadline === undefined ? { kind: 'available' } : { kind: 'draining', deadline: node.drainDeadline };
  }

  #note(action: RolloutAction): void {
    this.history.push({ at: this.now, action });
    const release = this.releases.get(this.app.release);
    if (action.kind === 'succeed' && release?.outcome.kind === 'rolling') {
      this.releases.set(release.number, { ...release, outcome: { kind: 'stable', at: this.now } });
    }
    if (action.kind === 'fail' && release?.outcome.kind === 'rolling') {
      const outcome = action.revertTo === undefined ? { kind: 'failed' as const } : { kind: 'reverted' as const, to: action.revertTo };
      this.releases.set(release.number, { ...release, outcome: { ...outcome, at: this.now, cause: action.cause } });
    }
    if (action.kind === 'clear-switch') this.app = { ...this.app, activeSlots: {} };
  }

  #writeRoute(snapshot: ServiceSnapshot): void {
    const spec = this.releases.get(this.app.release)?.spec.services[SERVICE];
    if (spec === undefined) return;
    const value = routeOf({ app: APP, service: SERVICE, spec, internalPort: 7800, instances: snapshot.instances });
    if (JSON.stringify(value) !== JSON.stringify(this.route?.value)) this.route = { value, revision: ++this.revision };
  }

  #moveAgent(id: InstanceId, instance: Instance): void {
    const node = this.nodes.get(instance.node);
    if (node === undefined || !node.powered) {
      this.runners.delete(id);
      return;
    }
    let runner = this.runners.get(id);
    if (runner === undefined) {
      if (!node.heard) return;
      runner = { phase: 'starting', attempt: 1, nextAt: this.#soon(4_000) };
      this.runners.set(id, runner);
    }
    // An agent that control cannot hear cannot hear control.
    if (instance.intent.kind === 'stop' && node.heard && runner.phase !== 'stopping' && runner.phase !== 'stopped') {
      runner.phase = 'stopping';
      runner.nextAt = this.#soon(3_000);
    }
    if (runner.nextAt <= this.now) this.#nextPhase(runner, this.qualities.get(instance.release) ?? 'good');
    if (node.heard) this.statuses.set(id, this.#status(instance, runner));
  }

  #nextPhase(runner: Runner, quality: Quality): void {
    runner.nextAt = this.#soon(4_000);
    switch (runner.phase) {
      case 'starting':
        runner.phase = 'running';
        break;
      case 'running':
        if (quality === 'crashes') runner.phase = runner.attempt >= 5 ? 'failed' : 'backing-off';
        break;
      case 'backing-off':
        runner.phase = 'starting';
        runner.attempt++;
        break;
      case 'stopping':
        runner.phase = 'stopped';
        break;
      default:
        break;
    }
  }

  #status({ id, node }: Instance, { phase, attempt }: Runner): InstanceStatus {
    const address = phase === 'running' ? { address: { host: '127.0.0.1', port: 20_000 } } : {};
    const failure = phase === 'failed' || phase === 'backing-off' ? { failure: 'exited' as const, output: ['boom'] } : {};
    const next = phase === 'backing-off' ? { nextStartAt: this.now } : {};
    return {
      id,
      node,
      phase,
      since: this.now,
      attempt,
      restarts: attempt - 1,
      ...address,
      ...failure,
      ...next,
      reason: phase === 'failed' ? 'exited with code 1' : phase,
    };
  }

  #moveGateway(gateway: ModelGateway): void {
    if (gateway.nextApplyAt <= this.now && this.route !== undefined && this.route.revision !== gateway.appliedRevision) {
      gateway.applied = this.route.value;
      gateway.appliedRevision = this.route.revision;
      gateway.nextApplyAt = this.#soon(1_500);
    }
    for (const backend of gateway.applied?.backends ?? []) {
      const known = gateway.health.get(backend.id);
      if (known?.attempt !== backend.attempt) {
        gateway.health.set(backend.id, { passing: undefined, transitions: (known?.transitions ?? 0) + 1, attempt: backend.attempt, nextAt: this.#soon(2_000) });
      } else if (known.nextAt <= this.now) {
        const passing = this.#serves(backend.id);
        if (passing !== known.passing) known.transitions++;
        known.passing = passing;
        known.nextAt = this.#soon(1_000);
      }
    }
  }

  #serves(id: InstanceId): boolean {
    const runner = this.runners.get(id);
    const release = this.instances.get(id)?.release;
    return runner?.phase === 'running' && release !== undefined && !this.sick.has(id) && this.qualities.get(release) !== 'never-ready';
  }

  #report(name: Name, gateway: ModelGateway): GatewayStatus {
    const address = { host: '127.0.0.1', port: 1 };
    const reports = (gateway.applied?.backends ?? []).map((backend) => {
      const health = gateway.health.get(backend.id);
      const word = health?.passing === undefined ? 'unknown' : health.passing ? 'passing' : 'failing';
      return [backend.id, { attempt: backend.attempt, health: word, transitions: health?.transitions ?? 0, inFlight: 0, reason: '' }] as const;
    });
    return { name, address, adminAddress: address, pid: 1, appliedRevision: gateway.appliedRevision, backends: Object.fromEntries(reports) };
  }

  #soon(withinMs: number): Moment {
    return later(this.now, Math.floor(this.options.luck() * withinMs));
  }
}
