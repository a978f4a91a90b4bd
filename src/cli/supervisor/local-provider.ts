import { join } from 'node:path';
import type { Name } from '#base/name';
import { Wakeup } from '#base/wakeup';
import { PREFIX } from '#model/keys';
import { Mirror } from '#model/mirror';
import type { Node } from '#model/node';
import type { StoreView } from '#model/store-view';
import type { World } from '#world/world';
import { type Home, pathsOf } from '../home.ts';
import { endRecorded } from './end-all.ts';
import { endInstances } from './end-instances.ts';
import { findRecorded, Keeper } from './keeper.ts';
import { spawnSpec } from './spawn-spec.ts';

const GRACE_MS = 1_000;

interface KeptAgent {
  readonly keeper: Keeper;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/** Makes this machine look like several: each node of the local provider is an agent process with a folder of its own. */
export class LocalProvider {
  readonly #world: World;
  readonly #home: Home;
  readonly #wakeup = new Wakeup();
  readonly #nodes: Mirror<Node>;
  readonly #agentsByNode = new Map<Name, KeptAgent>();
  readonly #admit: (node: Node) => Promise<void>;

  /** `admit` puts what an agent needs to know and to show into the node's folder; called before a new agent is kept. */
  constructor(world: World, options: { readonly home: Home; readonly view: StoreView; readonly admit: (node: Node) => Promise<void> }) {
    this.#world = world;
    this.#home = options.home;
    this.#admit = options.admit;
    this.#nodes = new Mirror<Node>(world, options.view, { prefix: PREFIX.nodes, onChange: () => this.#wakeup.ring() });
  }

  /** Brings agents in line with the cluster's nodes until the signal aborts. Agents then go on; see `endAll`. */
  async run(signal: AbortSignal): Promise<void> {
    const following = this.#nodes.run(signal);
    await this.#keepKnown();
    while (!signal.aborted) {
      await this.#wakeup.wait(signal).catch(() => undefined);
      if (signal.aborted) break;
      const nodes = this.#nodes.values().filter((node) => node.provider === 'local');
      await Promise.all(nodes.map((node) => this.#reconcile(node)));
      const wanted = new Set(nodes.map((node) => node.name));
      await Promise.all([...this.#agentsByNode.keys()].filter((name) => !wanted.has(name)).map((name) => this.#shutDown(name)));
    }
    for (const { stop } of this.#agentsByNode.values()) stop.abort();
    await Promise.all([following, ...[...this.#agentsByNode.values()].map(({ done }) => done)]);
  }

  /** The control plane may be away when the supervisor starts: agents it kept before are kept again at once. */
  async #keepKnown(): Promise<void> {
    for (const name of await this.#world.disk.list(join(this.#home.directory, 'nodes')).catch(() => [])) {
      if (await findRecorded(this.#world, join(pathsOf(this.#home).run, `agent-${name}.json`))) this.#keep(name as Name);
    }
  }

  async #reconcile(node: Node): Promise<void> {
    const kept = this.#agentsByNode.has(node.name);
    if (node.power === 'on' && !kept) {
      await this.#world.disk.makeDirectory(pathsOf(this.#home).node(node.name));
      await this.#admit(node);
      this.#keep(node.name);
    }
    if (node.power === 'off' && kept) await this.#pullPlug(node.name);
    if (node.power === 'removed') await this.#shutDown(node.name);
  }

  #keep(name: Name): void {
    const keeper = new Keeper(this.#world, {
      name: `agent-${name}`,
      runDirectory: pathsOf(this.#home).run,
      spec: spawnSpec(this.#home, { entry: 'agent.main.ts', name: `agent-${name}`, args: [name] }),
    });
    const stop = new AbortController();
    this.#agentsByNode.set(name, { keeper, stop, done: keeper.run(stop.signal) });
  }

  /** As when a machine loses power: the agent and all it runs are gone at the same moment, without a word. */
  async #pullPlug(name: Name): Promise<void> {
    const kept = this.#agentsByNode.get(name);
    kept?.stop.abort();
    await Promise.all([kept?.keeper.process?.signal('SIGKILL'), endInstances(this.#world, pathsOf(this.#home).node(name), { graceMs: 0 })]);
    await kept?.done;
    this.#agentsByNode.delete(name);
  }

  async #shutDown(name: Name): Promise<void> {
    const kept = this.#agentsByNode.get(name);
    kept?.stop.abort();
    const directory = pathsOf(this.#home).node(name);
    await Promise.all([endRecorded(this.#world, this.#home, `agent-${name}`, GRACE_MS), endInstances(this.#world, directory, { graceMs: GRACE_MS })]);
    await kept?.done;
    this.#agentsByNode.delete(name);
    await this.#world.disk.remove(directory);
  }
}
