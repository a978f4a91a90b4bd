/** A whole cluster of controls and scripted parts in virtual time, for tests. Not part of the product. */
import type { Name } from '#base/name';
import type { Instance } from '#model/instance';
import { PREFIX } from '#model/keys';
import type { StoreView } from '#model/store-view';
import { MemoryStore } from '#store/memory/memory-store';
import type { Store } from '#store/store';
import type { Simulation } from '#world/simulated/simulation';
import { runControl } from './control.ts';
import { localView } from './local-view.ts';
import { type Behaviour, scriptAgent, scriptGateway } from './scripted-parts.ts';

/** Parts are begun and ended by name; what they share is one store in memory. */
export class ScriptedCluster {
  readonly simulation: Simulation;
  readonly store: Store;
  readonly view: StoreView;
  readonly #ending = new Map<string, AbortController>();

  constructor(simulation: Simulation) {
    this.simulation = simulation;
    this.store = new MemoryStore(this.simulation.host('store').world);
    this.view = localView(this.store);
  }

  control(identity: string, store: Store = this.store): void {
    const { world } = this.simulation.host(identity);
    void runControl({ world, store, identity, signal: this.#begin(identity) });
  }

  agent(node: string, isBad?: Behaviour): void {
    const { world } = this.simulation.host(node);
    void scriptAgent({ world, view: this.view, name: node as Name, signal: this.#begin(node) }, isBad);
  }

  gateway(gateway: string, isDeaf?: () => boolean): void {
    const { world } = this.simulation.host(gateway);
    void scriptGateway({ world, view: this.view, name: gateway as Name, signal: this.#begin(gateway) }, isDeaf);
  }

  end(part: string): void {
    this.#ending.get(part)?.abort();
  }

  async run(forMs: number): Promise<void> {
    await this.simulation.run({ untilMs: this.simulation.nowMs + forMs });
  }

  async all<Value>(prefix: string): Promise<Value[]> {
    const { items } = await this.view.list(prefix);
    return items.map((item) => JSON.parse(item.value) as Value);
  }

  async instances(): Promise<string[]> {
    const instances = await this.all<Instance>(PREFIX.instances);
    return instances.map((each) => `${each.id} r${each.release} ${each.node} ${each.intent.kind}`).sort();
  }

  async one<Value>(key: string): Promise<Value | undefined> {
    const item = await this.store.get(key);
    return item === undefined ? undefined : (JSON.parse(item.value) as Value);
  }

  #begin(part: string): AbortSignal {
    const ending = new AbortController();
    this.#ending.set(part, ending);
    return ending.signal;
  }
}
