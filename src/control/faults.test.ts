import { deepEqual, ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { Name } from '#base/name';
import type { App, Release, ServiceState } from '#model/app';
import { exampleService } from '#model/example-service';
import type { Instance, InstanceId } from '#model/instance';
import { keyOf, PREFIX } from '#model/keys';
import type { GatewayStatus, Route } from '#model/route';
import { Simulation } from '#world/simulated/simulation';
import { ScriptedCluster } from './scripted-cluster.ts';
import { scriptedApp, writePool, writeRelease } from './scripted-parts.ts';

const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const SHOP = 'shop' as Name;
const WORKERS = ['worker-1', 'worker-2', 'worker-3'];
const CONTROLS = ['control-1', 'control-2'];

/** A cluster, what may go wrong in it, and what must be so at every change of the store. */
class Troubled {
  readonly cluster: ScriptedCluster;
  readonly #simulation: Simulation;
  readonly #badReleases = new Set<number>();
  readonly #ended = new Set<string>();
  #releases = 0;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
    this.cluster = new ScriptedCluster(simulation);
  }

  async begin(): Promise<void> {
    for (const control of CONTROLS) this.cluster.control(control);
    await writePool(this.cluster.view, 'worker' as Name, WORKERS.length);
    for (const worker of WORKERS) this.#agent(worker);
    for (const gateway of ['gateway-1', 'gateway-2']) this.cluster.gateway(gateway);
    await this.deploy(false);
  }

  async deploy(isBad: boolean): Promise<void> {
    const number = ++this.#releases;
    if (isBad) this.#badReleases.add(number);
    const run = { kind: 'process' as const, command: [`server-${number}`] as const };
    await writeRelease(this.cluster.view, scriptedApp(SHOP, [exampleService('web' as Name, { run, count: 3 })]), number);
  }

  async disturb(): Promise<void> {
    const { random } = this.#simulation;
    const worker = WORKERS[random.integer(WORKERS.length)] ?? '';
    const control = this.#simulation.host(CONTROLS[random.integer(CONTROLS.length)] ?? '');
    switch (random.integer(6)) {
      case 0:
        return await this.deploy(random.integer(2) === 0);
      case 1:
        this.cluster.end(worker);
        this.#ended.add(worker);
        return;
      case 2:
        return this.#heal(worker);
      case 3:
        control.crash();
        control.restart();
        return this.cluster.control(control.name);
      case 4:
        control.pause();
        this.#simulation.after(random.integer(25_000), () => control.resume());
        return;
      default:
        return await this.#scale(random.integer(5));
    }
  }

  async heal(): Promise<void> {
    await this.cluster.run(30_000);
    for (const worker of WORKERS) this.#heal(worker);
    await this.#scale(3);
    await this.deploy(false);
    await this.cluster.run(240_000);
  }

  /** S1, at every revision: no instance is told to stop while a live gateway may still send it something new. */
  async watch(signal: AbortSignal): Promise<void> {
    const acknowledged = new Map<string, number>();
    const routes = new Map<string, { readonly revision: number; readonly active: ReadonlySet<InstanceId> }[]>();
    for await (const { events } of this.cluster.store.watch({ prefix: '/' }, { signal })) {
      for (const event of events) {
        const key = event.kind === 'put' ? event.item.key : event.key;
        const value: unknown = event.kind === 'put' ? JSON.parse(event.item.value) : undefined;
        if (key.startsWith(PREFIX.gateways)) {
          if (value === undefined) acknowledged.delete(key);
          else acknowledged.set(key, (value as GatewayStatus).appliedRevision);
        } else if (key.startsWith(PREFIX.routes) && event.kind === 'put') {
          const active = (value as Route).backends.filter((backend) => backend.state === 'active').map((backend) => backend.id);
          routes.set(key, [...(routes.get(key) ?? []), { revision: event.item.modRevision, active: new Set(active) }]);
        } else if (key.startsWith(PREFIX.instances) && (value as Instance | undefined)?.intent.kind === 'stop') {
          const { id } = value as Instance;
          for (const [gateway, revision] of acknowledged) {
            const applied = routes.get(keyOf.route(SHOP, 'web' as Name))?.findLast((each) => each.revision <= revision);
            ok(applied?.active.has(id) !== true, `S1: ${id} is stopped while ${gateway} sends it requests`);
          }
        }
      }
    }
  }

  #agent(worker: string): void {
    this.cluster.agent(worker, (instance) => this.#badReleases.has(instance.release));
  }

  #heal(worker: string): void {
    if (this.#ended.delete(worker)) this.#agent(worker);
  }

  async #scale(count: number): Promise<void> {
    const app = await this.cluster.one<App>(keyOf.app(SHOP));
    await this.cluster.view.write([{ kind: 'put', key: keyOf.app(SHOP), value: JSON.stringify({ ...app, counts: { web: count } }) }]);
  }
}

async function trouble(seed: number): Promise<ScriptedCluster> {
  const simulation = new Simulation({ seed, drain, maxDrift: 0.01 });
  const troubled = new Troubled(simulation);
  const watching = new AbortController();
  const watch = troubled.watch(watching.signal);
  await troubled.begin();
  for (let index = 0; index < 8; index++) {
    await troubled.cluster.run(500 + simulation.random.integer(25_000));
    await troubled.disturb();
  }
  await troubled.heal();
  watching.abort();
  await watch;
  return troubled.cluster;
}

for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
  test(`whatever crashes, pauses and is lost, S1 holds and the cluster ends as wanted (seed ${seed})`, async () => {
    const cluster = await trouble(seed);
    const app = await cluster.one<App>(keyOf.app(SHOP));
    const release = app?.release ?? 0;
    deepEqual((await cluster.one<Release>(keyOf.release(SHOP, release)))?.outcome.kind, 'stable');
    deepEqual((await cluster.one<ServiceState>(keyOf.service(SHOP, 'web' as Name)))?.rollout, { phase: 'idle', release });
    deepEqual(
      (await cluster.all<Instance>(PREFIX.instances)).map((each) => `${each.slot} r${each.release} ${each.intent.kind}`).sort(),
      [1, 2, 3].map((slot) => `${slot} r${release} run`),
    );
  });
}

test('the same seed of trouble makes the same history', async () => {
  const history = async () => (await (await trouble(2)).view.list('/')).items.map((item) => `${item.modRevision} ${item.key} ${item.value}`);
  deepEqual(await history(), await history());
});
