/** Agents, gateways and a user for tests of control in virtual time: they obey, late, and report. Not part of the product. */
import { hasCode } from '#base/errors';
import type { Name } from '#base/name';
import type { App, Release } from '#model/app';
import type { Instance, InstanceId, InstanceStatus } from '#model/instance';
import { keyOf, PREFIX } from '#model/keys';
import { Mirror } from '#model/mirror';
import type { AgentStatus, Pool } from '#model/node';
import type { BackendReport, GatewayStatus, Route } from '#model/route';
import type { AppSpec, ServiceSpec } from '#model/spec';
import type { StoreView } from '#model/store-view';
import type { World } from '#world/world';

const LEASE_MS = 10_000;
const HOST = '127.0.0.1';
/** How long a command that is run once takes. */
export const COMMAND_MS = 3_000;

/** One scripted part: where it runs, what it sees, until when. */
export interface Script {
  readonly world: World;
  readonly view: StoreView;
  readonly name: Name;
  readonly signal: AbortSignal;
}

/** Says which instances never get beyond crashing. */
export type Behaviour = (instance: Instance) => boolean;

/** An agent whose instances start and stop within two seconds; `isBad` says which never get beyond crashing. */
export async function scriptAgent({ world, view, name, signal }: Script, isBad: Behaviour = () => false): Promise<void> {
  const capacity = { cpu: 4, memoryBytes: 8 * 2 ** 30 };
  const address = { host: HOST, port: 9_000 };
  const status: AgentStatus = {
    node: name,
    address,
    host: HOST,
    pid: 1,
    bootId: 'boot',
    startedAt: world.clock.wall(),
    capacity,
    limits: 'none',
    version: '0',
  };
  const lease = await view.grantLease(LEASE_MS);
  await view.write([{ kind: 'put', key: keyOf.agent(name), value: JSON.stringify(status), lease }]);
  const keeping = keep({ world, view, name, signal }, lease);
  const phases = new Map<InstanceId, InstanceStatus['phase']>();
  const report = async (instance: Instance, phase: InstanceStatus['phase']): Promise<void> => {
    if (phases.get(instance.id) === phase) return;
    phases.set(instance.id, phase);
    const running = phase === 'running' ? { address: { host: HOST, port: 20_000 + instance.serial } } : {};
    const failed = phase === 'failed' ? { failure: 'exited' as const, output: ['Error: boom'] } : {};
    const ended = instance.runsOnce && phase === 'stopped' ? { exit: { code: 0, signal: undefined } } : {};
    const value: InstanceStatus = {
      id: instance.id,
      node: name,
      phase,
      since: world.clock.wall(),
      attempt: 1,
      restarts: 0,
      reason: phase,
      ...running,
      ...failed,
      ...ended,
    };
    await view.write([{ kind: 'put', key: keyOf.status(instance.id), value: JSON.stringify(value) }]);
  };
  const carry = async (instance: Instance): Promise<void> => {
    const isOver = phases.get(instance.id) === 'stopped';
    if (instance.intent.kind === 'stop' && !isOver) {
      await report(instance, 'stopping');
      await world.clock.sleep(1_000 * world.random.next(), signal);
      await report(instance, 'stopped');
    } else if (!phases.has(instance.id)) {
      await report(instance, 'starting');
      await world.clock.sleep(2_000 * world.random.next(), signal);
      if (instance.runsOnce) {
        await report(instance, 'running');
        await world.clock.sleep(COMMAND_MS, signal);
        await report(instance, isBad(instance) ? 'failed' : 'stopped');
      } else await report(instance, isBad(instance) ? 'failed' : 'running');
    }
  };
  await followed<Instance>({ world, view, name, signal }, PREFIX.instances, async (instances) => {
    for (const instance of instances) if (instance.node === name) await carry(instance);
  });
  await keeping;
}

/** A gateway that applies routes within half a second and finds every backend passing; while deaf it keeps its lease and applies nothing. */
export async function scriptGateway({ world, view, name, signal }: Script, isDeaf: () => boolean = () => false): Promise<void> {
  const address = { host: HOST, port: 7_780 };
  const status = (appliedRevision: number, routes: readonly Route[]): GatewayStatus => {
    const reports = routes
      .flatMap((route) => route.backends)
      .map(({ id, attempt }): [InstanceId, BackendReport] => [id, { attempt, health: 'passing', transitions: 1, inFlight: 0, reason: '' }]);
    return { name, address, adminAddress: address, pid: 1, appliedRevision, backends: Object.fromEntries(reports) };
  };
  let lease = await view.grantLease(LEASE_MS);
  let applied = JSON.stringify(status(0, []));
  const report = () => view.write([{ kind: 'put', key: keyOf.gateway(name), value: applied, lease }]);
  const keeping = (async () => {
    while (!signal.aborted) {
      await world.clock.sleep((LEASE_MS / 3) * (0.9 + 0.2 * world.random.next()), signal).catch(() => undefined);
      if (signal.aborted) return;
      await view.keepLease(lease).catch(async (error: unknown) => {
        if (!hasCode(error, 'LEASE_LOST') && !hasCode(error, 'NOT_FOUND')) return;
        lease = await view.grantLease(LEASE_MS);
        await report();
      });
    }
  })();
  let last = '';
  await followed<Route>({ world, view, name, signal }, PREFIX.routes, async (routes, revision) => {
    while (isDeaf()) await world.clock.sleep(200, signal);
    const value = JSON.stringify(status(revision, routes));
    const content = JSON.stringify(routes);
    if (content === last) return;
    await world.clock.sleep(500 * world.random.next(), signal);
    applied = value;
    await report();
    last = content;
  });
  await keeping;
}

/** A pool as `haven pool` would write it. */
export async function writePool(view: StoreView, name: Name, nodes: number): Promise<void> {
  const pool: Pool = { name, provider: 'local', nodes, removing: false };
  await view.write([{ kind: 'put', key: keyOf.pool(name), value: JSON.stringify(pool) }]);
}

/** A release and the app that wants it, as the API writes them in one transaction. */
export async function writeRelease(view: StoreView, spec: AppSpec, number: number, changes: Partial<App> = {}): Promise<void> {
  const app: App = { name: spec.name, release: number, counts: {}, removing: false, activeSlots: {}, ...changes };
  const release: Release = { app: spec.name, number, spec, createdAt: 0 as Release['createdAt'], outcome: { kind: 'rolling' } };
  await view.write([
    { kind: 'put', key: keyOf.release(spec.name, number), value: JSON.stringify(release) },
    { kind: 'put', key: keyOf.app(spec.name), value: JSON.stringify(app) },
  ]);
}

/** An app of these services. */
export function scriptedApp(name: Name, services: readonly ServiceSpec[]): AppSpec {
  return { name, services: Object.fromEntries(services.map((service) => [service.name, service])), environment: {}, secrets: [], revertScope: 'service' };
}

async function keep({ world, view, signal }: Script, lease: string): Promise<void> {
  while (!signal.aborted) {
    await world.clock.sleep((LEASE_MS / 3) * (0.9 + 0.2 * world.random.next()), signal).catch(() => undefined);
    if (!signal.aborted) await view.keepLease(lease).catch(() => undefined);
  }
}

/** Calls `act` with the prefix's content after every change, one call at a time, changes during a call as one. */
async function followed<Value>(
  { world, view, signal }: Script,
  prefix: string,
  act: (values: readonly Value[], revision: number) => Promise<void>,
): Promise<void> {
  let changed = Promise.withResolvers<void>();
  const mirror = new Mirror<Value>(world, view, { prefix, onChange: () => changed.resolve() });
  const following = mirror.run(signal);
  while (!signal.aborted) {
    await changed.promise;
    changed = Promise.withResolvers();
    await act(mirror.values(), mirror.revision).catch(() => undefined);
  }
  await following;
}
