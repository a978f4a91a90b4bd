import { isFenced } from '#control/cluster-snapshot';
import type { LeaderRecord } from '#control/leadership';
import type { App, Release, ServiceState } from '#model/app';
import type { GatewayFence } from '#model/fence';
import type { Instance, InstanceStatus } from '#model/instance';
import { keyOf, LEADER_KEY, PREFIX } from '#model/keys';
import type { Node } from '#model/node';
import type { GatewayStatus, Route } from '#model/route';
import type { ServiceSpec } from '#model/spec';
import type { SeenItem, SeenRevision, StoreHistory } from './store-history.ts';

/** What only the simulation can see. */
export interface GroundTruth {
  /** The instance's processes that live, on any host. */
  processesOf(id: string): number;
  /** By which routes a gateway sends requests at this moment. */
  routesOf(gateway: string): readonly Route[];
}

/** A promise that was broken. */
export interface Violation {
  readonly atMs: number;
  /** A stable name. */
  readonly rule: string;
  readonly text: string;
}

interface Change<Value> {
  readonly before: Value | undefined;
  readonly after: Value | undefined;
}

/** Clocks of hosts differ, and a forced stop begins before the deadline of a drain. */
const deadlineSlackMs = 3_000;

/**
 * Looks at every revision of the store as it becomes durable, and at the machines behind it:
 *
 * | rule            | promise |
 * |-----------------|---------|
 * | epoch           | every decision carries the epoch of the leader in force when it was accepted |
 * | one-leader      | nothing is accepted from a control that is not the leader (fleets only: who asked is known there) |
 * | intent-order    | run, drain, stop, deleted: in this order, and deleted only when nothing of it is left (S1, D3) |
 * | acknowledged    | no stop before every live gateway that is not fenced acknowledged the route without it, and in truth sends it nothing (S1) |
 * | enough-ready    | taking a ready instance away leaves count less maxUnavailable ready (R2) |
 * | not-too-many    | never more instances than count and surge, those of lost nodes aside |
 * | serial          | an instance id is used once, until its service is removed |
 * | one-process     | an instance has at most one process |
 */
export class Checkers {
  readonly #history: StoreHistory;
  readonly #truth: GroundTruth;
  readonly #report: (rule: string, text: string) => void;
  readonly #usedIds = new Set<string>();
  readonly #readyByService = new Map<string, { readonly atMs: number; readonly ids: ReadonlySet<string>; readonly wanted: number }[]>();
  /** Instances whose node was lost while they were on it: replaced, and not counted until they are gone. */
  readonly #replaceable = new Set<string>();

  /** Decisions are made on a picture that is a little old: a rule about what is ready looks back so far. */
  readonly #lookBackMs: number;

  constructor(parts: {
    readonly history: StoreHistory;
    readonly truth: GroundTruth;
    readonly report: (rule: string, text: string) => void;
    readonly lookBackMs: number;
  }) {
    this.#lookBackMs = parts.lookBackMs;
    this.#history = parts.history;
    this.#truth = parts.truth;
    this.#report = parts.report;
  }

  onRevision(seen: SeenRevision): void {
    this.#checkCaller(seen);
    const placed = new Set<string>();
    for (const { key, before, after } of seen.changes) {
      if (key.startsWith(PREFIX.instances)) {
        const change = valuesOf<Instance>(before, after);
        this.#checkInstance(seen, change);
        if (change.after && !change.before) placed.add(`${change.after.app}/${change.after.service}`);
      }
      if (key.startsWith(PREFIX.services) && !after) this.#forgetIds(key.slice(PREFIX.services.length));
      if (key.startsWith(PREFIX.agents) && !after) this.#noteLost(key.slice(PREFIX.agents.length));
    }
    for (const service of placed) this.#checkCount(service);
    this.#noteReady(seen.atMs);
  }

  #checkCaller(seen: SeenRevision): void {
    if (!seen.caller.startsWith('control-')) return;
    const decided = seen.changes.find(({ key }) => key !== LEADER_KEY);
    const leader = this.#history.value<LeaderRecord>(LEADER_KEY);
    if (decided && leader?.identity !== seen.caller) {
      this.#report('one-leader', `${seen.caller} wrote ${decided.key} at revision ${seen.revision} while ${leader?.identity ?? 'nobody'} leads`);
    }
  }

  #checkInstance(seen: SeenRevision, { before, after }: Change<Instance>): void {
    const id = (after ?? before)?.id ?? '';
    if (after && !isRestartOnly(before, after)) {
      const epoch = this.#history.item(LEADER_KEY)?.createRevision;
      if (after.epoch !== epoch) this.#report('epoch', `${id} was written with epoch ${after.epoch} at revision ${seen.revision}, where ${epoch} is in force`);
    }
    if (after && !before) {
      if (this.#usedIds.has(id)) this.#report('serial', `${id} was made a second time`);
      this.#usedIds.add(id);
    }
    const steps = { run: 0, drain: 1, stop: 2 } as const;
    if (before && after && steps[after.intent.kind] < steps[before.intent.kind]) {
      this.#report('intent-order', `${id} went back from ${before.intent.kind} to ${after.intent.kind}`);
    }
    if (before && !after) this.#checkDeleted(seen, before);
    if (after?.intent.kind === 'stop' && before?.intent.kind !== 'stop') this.#checkStop(seen, after);
    if (after?.intent.kind === 'drain' && before?.intent.kind === 'run') this.#checkReady(seen, before, after.intent.reason);
    const processes = this.#truth.processesOf(id);
    if (processes > 1) this.#report('one-process', `${id} has ${processes} processes`);
  }

  #checkDeleted(seen: SeenRevision, instance: Instance): void {
    const deleted = seen.changes.find(({ key }) => key === keyOf.status(instance.id));
    const status = (deleted?.before?.value ?? this.#history.value(keyOf.status(instance.id))) as InstanceStatus | undefined;
    const node = this.#history.value<Node>(keyOf.node(instance.node));
    const isMachineGone = node === undefined || node.power !== 'on';
    if (isMachineGone) return;
    if (status?.phase !== 'stopped') this.#report('intent-order', `${instance.id} was deleted in phase ${status?.phase ?? 'unknown'}`);
    if (this.#truth.processesOf(instance.id) > 0) this.#report('intent-order', `${instance.id} was deleted while its process lives`);
  }

  #checkStop(seen: SeenRevision, instance: Instance): void {
    const node = this.#history.value<Node>(keyOf.node(instance.node));
    // D2: the deadline of a drain binds everything.
    if (node?.drain && virtualWall(seen.atMs) >= node.drain.deadline - instance.spec.stop.killTimeoutMs - deadlineSlackMs) return;
    const routeItem = this.#history.item(keyOf.route(instance.app, instance.service));
    const route = routeItem?.value as Route | undefined;
    const isActive = (each: Route | undefined): boolean => each?.backends.some(({ id, state }) => id === instance.id && state === 'active') ?? false;
    if (isActive(route)) this.#report('acknowledged', `${instance.id} is stopped while its route sends it requests`);
    for (const gateway of this.#heardGateways()) {
      if (gateway.appliedRevision < (routeItem?.modRevision ?? 0)) {
        this.#report('acknowledged', `${instance.id} is stopped before ${gateway.name} acknowledged revision ${routeItem?.modRevision}`);
      }
      if (this.#truth.routesOf(gateway.name).some(isActive)) this.#report('acknowledged', `${instance.id} is stopped while ${gateway.name} sends it requests`);
    }
  }

  #checkReady(seen: SeenRevision, instance: Instance, reason: string): void {
    const service = `${instance.app}/${instance.service}`;
    const app = this.#history.value<App>(keyOf.app(instance.app));
    const spec = this.#wantedSpec(service);
    const node = this.#history.value<Node>(keyOf.node(instance.node));
    const isOverdue = node?.drain !== undefined && virtualWall(seen.atMs) >= node.drain.deadline - stopMs(instance.spec) - deadlineSlackMs;
    // A machine without power takes its instances along, whatever the gateways still believe.
    const isMachineGone = node?.power !== 'on' && this.#history.value(keyOf.agent(instance.node)) === undefined;
    // R6: a first release that failed is stopped as a whole.
    const releases = this.#history.values<Release>(PREFIX.releases).filter((release) => release.app === instance.app);
    const rollout = this.#history.value<ServiceState>(keyOf.service(instance.app, instance.service))?.rollout;
    const isFirstFailed = rollout?.phase === 'failed' && rollout.revertTo === undefined && releases.every((release) => release.outcome.kind !== 'stable');
    if (!app || app.removing || !spec || isOverdue || isMachineGone || isFirstFailed) return;
    const all = this.#readyByService.get(service) ?? [];
    // A look counts until the next one: that of a quiet time may be old.
    const looks = all.filter((_look, index) => (all[index + 1]?.atMs ?? seen.atMs) >= seen.atMs - this.#lookBackMs);
    const leaving = new Set(seen.changes.flatMap(({ after }) => (intentOf(after) === 'run' ? [] : [(after?.value as Instance | undefined)?.id ?? ''])));
    const isEnough = looks.some(
      ({ ids, wanted }) => !ids.has(instance.id) || [...ids].filter((id) => !leaving.has(id)).length >= wanted - spec.update.maxUnavailable,
    );
    if (!isEnough) {
      const last = looks.at(-1);
      this.#report(
        'enough-ready',
        `${instance.id} is drained (${reason}) while only ${[...(last?.ids ?? [])].join(', ')} are ready and ${last?.wanted} are wanted`,
      );
    }
  }

  /** Counted when one is placed: who scales down waits for drains, which take their time. */
  #checkCount(service: string): void {
    const spec = this.#wantedSpec(service);
    if (!spec) return;
    const instances = this.#instancesOf(service).filter(({ id, intent }) => intent.kind === 'run' && !this.#replaceable.has(id));
    const status = (id: Instance['id']) => this.#history.value<InstanceStatus>(keyOf.status(id))?.phase;
    const looks = this.#readyByService.get(service) ?? [];
    const wanted = Math.max(this.#countOf(service), ...looks.map((look) => look.wanted));
    // A2: what is left of a larger count waits for the end of a rollout, and is not in the way of anything.
    const counted = instances.filter(({ id, slot }) => slot <= wanted && status(id) !== 'failed');
    // D1: a drain may surge by one even where updates may not.
    const most = wanted + Math.max(1, spec.update.maxSurge) + spec.update.canary;
    if (counted.length > most) {
      this.#report('not-too-many', `${service} has ${counted.map(({ id }) => id).join(', ')}, more than ${most}`);
    }
  }

  /** A service that was removed and deployed again is another one, and counts from 1. */
  #forgetIds(service: string): void {
    const prefix = `${service.replace('/', '.')}.`;
    for (const id of this.#usedIds) if (id.startsWith(prefix)) this.#usedIds.delete(id);
  }

  #noteLost(node: string): void {
    for (const instance of this.#history.values<Instance>(PREFIX.instances)) if (instance.node === node) this.#replaceable.add(instance.id);
  }

  #noteReady(atMs: number): void {
    for (const state of this.#history.values<ServiceState>(PREFIX.services)) {
      const service = `${state.app}/${state.service}`;
      const ids = new Set(this.readyOf(service).map(({ id }) => id as string));
      const looks = this.#readyByService.get(service) ?? [];
      looks.push({ atMs, ids, wanted: this.#countOf(service) });
      while (looks.length > 1 && (looks[1]?.atMs ?? 0) < atMs - this.#lookBackMs) looks.shift();
      this.#readyByService.set(service, looks);
    }
  }

  /** Instances that every live gateway reports as passing. */
  readyOf(service: string): readonly Instance[] {
    const gateways = this.#heardGateways();
    return this.#instancesOf(service).filter(({ id, intent, node }) => {
      const status = this.#history.value<InstanceStatus>(keyOf.status(id));
      if (intent.kind !== 'run' || status?.phase !== 'running') return false;
      if (gateways.length === 0) return this.#history.value(keyOf.agent(node)) !== undefined;
      return gateways.every(({ backends }) => backends[id]?.health === 'passing' && backends[id].attempt === status.attempt);
    });
  }

  /** Those that live and are not counted out: one that was fenced and came back is waited for again once it has caught up (S1). */
  #heardGateways(): readonly GatewayStatus[] {
    return this.#history
      .values<GatewayStatus>(PREFIX.gateways)
      .filter((gateway) => !isFenced(gateway, this.#history.value<GatewayFence>(keyOf.fence(gateway.name))));
  }

  #instancesOf(service: string): readonly Instance[] {
    return this.#history.values<Instance>(PREFIX.instances).filter((instance) => `${instance.app}/${instance.service}` === service);
  }

  #countOf(service: string): number {
    const [app = '', name = ''] = service.split('/');
    return this.#history.value<App>(keyOf.app(app as App['name']))?.counts[name] ?? this.#wantedSpec(service)?.count ?? 0;
  }

  /** Of the release that is to run: after a failure the one before. */
  #wantedSpec(service: string): ServiceSpec | undefined {
    const state = this.#history.value<ServiceState>(`${PREFIX.services}${service}`);
    const app = state && this.#history.value<App>(keyOf.app(state.app));
    if (!state || !app) return undefined;
    const { rollout } = state;
    const isReverted = rollout.phase === 'failed' && rollout.release === app.release && rollout.revertTo !== undefined;
    const release = this.#history.value<Release>(keyOf.release(app.name, isReverted ? rollout.revertTo : app.release));
    return release?.spec.services[state.service];
  }
}

/** The wall clock of a host without errors. */
function virtualWall(atMs: number): number {
  return 1_893_456_000_000 + atMs;
}

function stopMs({ stop }: ServiceSpec): number {
  return stop.unrouteTimeoutMs + stop.drainTimeoutMs + stop.killTimeoutMs;
}

function intentOf(item: SeenItem | undefined): string | undefined {
  return item?.key.startsWith(PREFIX.instances) ? (item.value as Instance).intent.kind : 'run';
}

function valuesOf<Value>(before: SeenItem | undefined, after: SeenItem | undefined): Change<Value> {
  return { before: before?.value as Value | undefined, after: after?.value as Value | undefined };
}

/** The operator's restart is the one change of an instance that no leader makes. */
function isRestartOnly(before: Instance | undefined, after: Instance): boolean {
  return before !== undefined && JSON.stringify({ ...before, restartNonce: 0 }) === JSON.stringify({ ...after, restartNonce: 0 });
}
