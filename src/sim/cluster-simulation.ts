import { AssertionError, assert } from '#base/assert';
import { hasCode } from '#base/errors';
import type { Name } from '#base/name';
import type { ControlOptions } from '#control/control-options';
import type { Term } from '#control/leadership';
import type { InstanceId } from '#model/instance';
import { PREFIX } from '#model/keys';
import type { Node } from '#model/node';
import type { Route } from '#model/route';
import type { HistoryLimits } from '#store/mvcc';
import { startSimulation } from '#world/conformance/start-simulation';
import type { DiskConditions } from '#world/simulated/disk-drive';
import type { RunningProgram } from '#world/simulated/process-table';
import type { SimulatedHost } from '#world/simulated/simulated-host';
import type { Simulation } from '#world/simulated/simulation';
import type { NetworkConditions } from '#world/simulated/switch-board';
import type { ProcessSignal } from '#world/world';
import { agentProgram } from './agent-program.ts';
import { appProgram } from './app-program.ts';
import { Checkers, type Violation } from './checkers.ts';
import { type ControlProgramOptions, controlProgram, storeAndControlProgram, storeProgram } from './control-program.ts';
import { gatewayProgram, type RequestOutcome } from './gateway-program.ts';
import { KeptProgram } from './kept-program.ts';
import { RemoteStore } from './remote-store.ts';
import { type SeenRevision, StoreHistory } from './store-history.ts';
import { API_PORT, STORE_PORT, tokenFor } from './store-program.ts';
import { poolSized, type UserChange } from './user-change.ts';

/** What a simulated cluster is made of; everything has a default but the seed. */
export interface ClusterOptions {
  readonly seed: number;
  readonly nodes?: number;
  readonly gateways?: number;
  /** 0: one process is store and control, as `haven up` makes it. Else so many controls, and the store on a host of its own. */
  readonly controls?: number;
  /** Mean time between two requests of clients of each gateway; 0 for none. */
  readonly requestEveryMs?: number;
  readonly control?: Partial<ControlOptions>;
  /** How much history the store keeps: little makes watches start afresh. */
  readonly history?: HistoryLimits;
  readonly network?: Partial<NetworkConditions>;
  readonly disk?: Partial<DiskConditions>;
  readonly maxDrift?: number;
}

/** A process of an instance, as seen from outside. */
export interface InstanceProcess {
  readonly id: InstanceId;
  readonly host: string;
  readonly program: RunningProgram;
}

export const POOL = 'worker' as Name;
/** The host of the store and the API. */
export const CONTROL = 'control';
/** The host from which users act. */
const OPERATOR = 'operator';
/** How long a user tries to get a change accepted. */
const insistMs = 120_000;
const traceTail = 40;

/**
 * A whole cluster in virtual time: the product's control, store, API handler and agents, with simulated machines, gateways and apps around them.
 * Every revision of the store is checked as it becomes durable; the first broken promise ends `run` with an error that names the seed.
 */
export class ClusterSimulation {
  readonly seed: number;
  readonly simulation: Simulation;
  readonly history: StoreHistory;
  readonly checkers: Checkers;
  /** Requests of clients, and what became of them. */
  readonly requests: { answered: number; readonly unanswered: string[]; readonly failedTries: string[] } = { answered: 0, unanswered: [], failedTries: [] };
  readonly violations: Violation[] = [];
  /** Tokens of processes that answer their checks with 503. */
  readonly sick = new Set<string>();
  /** For the message of a failure: what was drawn for this seed. */
  description = '';
  readonly #options: ClusterOptions;
  readonly #keptByName = new Map<string, KeptProgram>();
  readonly #routesByGateway = new Map<string, readonly Route[]>();
  readonly #termsByControl = new Map<string, Term>();

  constructor(options: ClusterOptions) {
    const { seed, network, disk, maxDrift } = options;
    this.seed = seed;
    this.#options = options;
    this.simulation = startSimulation({ seed, ...(network && { network }), ...(disk && { disk }), ...(maxDrift && { maxDrift }) });
    this.history = new StoreHistory({
      nowMs: () => this.simulation.nowMs,
      onRevision: (seen) => this.#onRevision(seen),
      onLoss: (text) => this.#report('durable', text),
    });
    this.checkers = new Checkers({
      history: this.history,
      truth: {
        processesOf: (id) => this.processes().filter((process) => process.id === id).length,
        routesOf: (gateway) => this.#routesByGateway.get(gateway) ?? [],
      },
      report: (rule, text) => this.#report(rule, text),
      // A control beyond a network may go on with what it knows until the silence of its watch ends it.
      lookBackMs: (options.controls ?? 0) > 0 ? 13_000 : 2_000,
    });
    this.#addPrograms();
    this.#startControls();
    for (let number = 1; number <= (options.gateways ?? 1); number++) this.#keep(`gateway-${number}`, 'gateway');
    this.simulation.host(OPERATOR);
  }

  /** Makes the pool and waits until every node's agent is heard and every gateway has reported. */
  async start(): Promise<void> {
    const { nodes = 3, gateways = 1 } = this.#options;
    await this.operate(poolSized(POOL, nodes));
    await this.until('the cluster is up', () => this.history.values(PREFIX.agents).length === nodes, { limitMs: 30_000 });
    if (gateways > 0) await this.run(1_000);
  }

  get nowMs(): number {
    return this.simulation.nowMs;
  }

  get nodeNames(): readonly string[] {
    return this.history.values<Node>(PREFIX.nodes).map(({ name }) => name);
  }

  get gatewayNames(): readonly string[] {
    return [...this.#keptByName.keys()].filter((name) => name.startsWith('gateway-'));
  }

  /** Where controls run: `control` itself, or `control-1` and so on. */
  get controlNames(): readonly string[] {
    const { controls = 0 } = this.#options;
    return controls === 0 ? [CONTROL] : Array.from({ length: controls }, (_, index) => `control-${index + 1}`);
  }

  host(name: string): SimulatedHost {
    return this.simulation.host(name);
  }

  /** The supervised program of a host: agent, gateway, control or store. */
  kept(name: string): KeptProgram {
    const kept = this.#keptByName.get(name);
    assert(kept, `nothing is kept on ${name}`);
    return kept;
  }

  /** Who takes itself for the leader now, on its own clock. */
  leaders(): readonly string[] {
    return [...this.#termsByControl].filter(([name, term]) => this.host(name).isUp && term.isCurrent()).map(([name]) => name);
  }

  /** Every process of an instance that lives on a host that is up. */
  processes(): readonly InstanceProcess[] {
    return this.nodeNames.flatMap((host) =>
      this.host(host)
        .running.filter(({ spec }) => spec.command === 'app' && spec.outputPath !== undefined)
        .map((program) => ({ id: idOf(program), host, program })),
    );
  }

  /** Lets virtual time pass. Throws at the first broken promise. */
  async run(forMs: number): Promise<void> {
    await this.#run(this.nowMs + forMs, () => false);
  }

  /** Lets time pass until the condition holds after an event; fails with what was waited for if that takes longer than `limitMs`. */
  async until(what: string, condition: () => boolean, { limitMs = 120_000 }: { readonly limitMs?: number } = {}): Promise<void> {
    const outcome = await this.#run(this.nowMs + limitMs, condition);
    if (outcome !== 'condition') throw this.failure(`${what} did not come true within ${limitMs} virtual ms`);
  }

  /** A user's change, tried until it is accepted. */
  async operate(change: UserChange): Promise<void> {
    let isSettled = false;
    const outcome = this.begin(change).finally(() => {
      isSettled = true;
    });
    outcome.catch(() => undefined);
    await this.#run(this.nowMs + 2 * insistMs, () => isSettled);
    if (!isSettled) throw this.failure('a change of a user was not accepted in time');
    await outcome;
  }

  /** Like `operate`, but goes on in the background while other things happen. */
  async begin(change: UserChange): Promise<void> {
    const { world } = this.host(OPERATOR);
    const store = new RemoteStore(world, { address: this.#storeAddress, caller: OPERATOR });
    for (const startedAt = world.clock.now(); ; ) {
      try {
        await change(store, world.clock.wall());
        return;
      } catch (error) {
        const mayPass = hasCode(error, 'UNAVAILABLE') || hasCode(error, 'CONFLICT');
        if (!mayPass || world.clock.now() > startedAt + insistMs) throw error;
        await world.clock.sleep(1_000);
      }
    }
  }

  /** A signal to an instance's process, from outside. */
  signalInstance({ host, program }: InstanceProcess, signal: ProcessSignal): void {
    const { world } = this.host(host);
    const send = async (): Promise<void> => {
      const process = await world.processes.adopt(program.identity);
      await process?.signal(signal);
    };
    void send();
  }

  /** Power cut of a host, and its return if `forMs` is given. */
  crashHost(name: string, forMs?: number): void {
    this.host(name).crash();
    if (forMs !== undefined) this.simulation.after(forMs, () => this.restartHost(name));
  }

  /** Starts a host that is down, with its supervised program. */
  restartHost(name: string): void {
    const isPlugged = this.#isPlugged(name);
    if (this.host(name).isUp || !isPlugged) return;
    this.host(name).restart();
    this.#keptByName.get(name)?.start();
  }

  /** An error that tells what was drawn, what happened last, and how to see it again. */
  failure(text: string): AssertionError {
    const last = this.simulation.trace.slice(-traceTail).join('\n  ');
    const drawn = this.description === '' ? '' : `\ndrawn: ${this.description}`;
    return new AssertionError(`seed ${this.seed}: ${text}${drawn}\nagain: node src/sim/replay.main.ts ${this.seed}\nlast lines of the trace:\n  ${last}`);
  }

  get #storeAddress(): { readonly host: string; readonly port: number } {
    return { host: CONTROL, port: STORE_PORT };
  }

  #addPrograms(): void {
    const { requestEveryMs = 0, control = {}, history: limits } = this.#options;
    const api = { host: CONTROL, port: API_PORT };
    const options: ControlProgramOptions = {
      history: this.history,
      control,
      storeAddress: this.#storeAddress,
      ...(limits ? { limits } : {}),
      observer: {
        onStart: (identity) => void this.#termsByControl.delete(identity),
        onTerm: (identity, term) => this.#onTerm(identity, term),
      },
    };
    const { simulation } = this;
    simulation.program('store-and-control', storeAndControlProgram(options));
    simulation.program('store', storeProgram(options));
    simulation.program('control', controlProgram(options));
    simulation.program('app', appProgram(this.sick));
    simulation.program(
      'agent',
      agentProgram({ control: api, token: (node) => tokenFor('node', node), bootId: (node) => `${node}-${this.host(node).incarnation}` }),
    );
    const observer = {
      onTable: (gateway: string, routes: readonly Route[]) => void this.#routesByGateway.set(gateway, routes),
      onRequest: (_gateway: string, outcome: RequestOutcome) => this.#onRequest(outcome),
    };
    simulation.program('gateway', gatewayProgram({ observer, control: api, token: (gateway) => tokenFor('gateway', gateway), requestEveryMs }));
  }

  #startControls(): void {
    const { controls = 0 } = this.#options;
    this.#keep(CONTROL, controls === 0 ? 'store-and-control' : 'store');
    if (controls > 0) for (const name of this.controlNames) this.#keep(name, 'control');
  }

  #keep(name: string, command: string): void {
    this.#keptByName.set(name, new KeptProgram(this.host(name), command, [name]));
  }

  #onRevision(seen: SeenRevision): void {
    const words = seen.changes.map(({ key, before, after }) => `${after ? (before ? '~' : '+') : '-'}${key}`).join(' ');
    this.simulation.note(`revision ${seen.revision}${seen.caller === '' ? '' : ` by ${seen.caller}`}: ${words}`);
    for (const { key, after } of seen.changes)
      if (key.startsWith(PREFIX.nodes)) this.#provide(key.slice(PREFIX.nodes.length), after?.value as Node | undefined);
    this.checkers.onRevision(seen);
    const leaders = this.leaders();
    if (leaders.length > 1) this.#report('one-leader', `${leaders.join(' and ')} take themselves for the leader at once`);
  }

  /** The provider: what `/nodes/` says becomes a machine with an agent, or a machine without power. */
  #provide(name: string, node: Node | undefined): void {
    this.simulation.after(1, () => {
      if (node?.power !== 'on') this.host(name).crash();
      else if (!this.#keptByName.has(name)) this.#keep(name, 'agent');
      else this.restartHost(name);
    });
  }

  #isPlugged(name: string): boolean {
    if (!name.startsWith(`${POOL}-`)) return true;
    return this.history.value<Node>(`${PREFIX.nodes}${name}`)?.power === 'on';
  }

  #onTerm(identity: string, term: Term): void {
    this.#termsByControl.set(identity, term);
    this.simulation.note(`${identity} leads in epoch ${term.epoch}`);
  }

  #onRequest({ service, isAnswered, failedTries }: RequestOutcome): void {
    if (isAnswered) this.requests.answered++;
    else this.requests.unanswered.push(`${this.nowMs.toFixed(0)} ${service}: ${failedTries.join('; ')}`);
    for (const failed of failedTries) {
      this.requests.failedTries.push(`${this.nowMs.toFixed(0)} ${service}: ${failed}`);
      this.simulation.note(`request to ${service} failed at ${failed}`);
    }
  }

  #report(rule: string, text: string): void {
    this.violations.push({ atMs: this.nowMs, rule, text });
    this.simulation.note(`VIOLATION of ${rule}: ${text}`);
  }

  async #run(untilMs: number, condition: () => boolean): Promise<'time' | 'condition' | 'idle'> {
    const outcome = await this.simulation.run({ untilMs, until: () => this.violations.length > 0 || condition() });
    const [violation] = this.violations;
    if (violation) throw this.failure(`${violation.rule} at ${violation.atMs.toFixed(0)} ms: ${violation.text}`);
    return outcome;
  }
}

/** Which instance a process is of: the agent lets it write to `…/APP/SERVICE.SLOT/SERIAL-ATTEMPT.log`. */
function idOf({ spec }: RunningProgram): InstanceId {
  const [, app = '', slot = '', serial = ''] = /([^/]+)\/([^/]+)\/(\d+)-\d+\.log$/.exec(spec.outputPath ?? '') ?? [];
  return `${app}.${slot}-${serial}` as InstanceId;
}
