import { assert } from '#base/assert';
import { toBytes } from '#base/bytes';
import { crc32c } from '#base/checksum';
import { CALM_DISK, type DiskConditions, DiskDrive } from './disk-drive.ts';
import { Generator } from './generator.ts';
import type { Program } from './program.ts';
import { Scheduler } from './scheduler.ts';
import { SimulatedHost } from './simulated-host.ts';
import { CALM_NETWORK, type NetworkConditions, SwitchBoard } from './switch-board.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** Resolves when all microtasks have run. The pure layers have none; `world/node/drain` does it with `setImmediate`. */
  readonly drain: () => Promise<void>;
  readonly network?: Partial<NetworkConditions>;
  readonly disk?: Partial<DiskConditions>;
  /** Clocks of hosts run up to this share too fast or too slow: 0.01 is one percent. */
  readonly maxDrift?: number;
  readonly maxWallSkewMs?: number;
}

export interface HostOptions {
  readonly clockRate?: number;
  readonly wallSkewMs?: number;
}

/** The trace keeps its last lines; the hash covers all. */
const maxTraceLines = 100_000;
/** How far `complete` goes in virtual time before it gives up. */
const defaultLimitMs = 3_600_000;

/**
 * Hosts, programs and a network in virtual time. Everything that happens follows from the seed: the same seed gives the same trace.
 * State of programs must live in their calls; what they hold at module level would survive a crash.
 */
export class Simulation {
  /** For faults drawn by a test: follows from the seed, apart from everything inside. */
  readonly random: Generator;
  readonly #options: SimulationOptions;
  readonly #scheduler: Scheduler;
  readonly #board: SwitchBoard;
  readonly #hosts = new Map<string, SimulatedHost>();
  readonly #programs = new Map<string, Program>();
  readonly #lines: string[] = [];
  readonly #generator: Generator;
  #traceCount = 0;
  #traceChecksum = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#generator = new Generator(options.seed, 'simulation');
    this.random = new Generator(options.seed, 'test');
    this.#scheduler = new Scheduler(new Generator(options.seed, 'order'));
    this.#board = new SwitchBoard({
      scheduler: this.#scheduler,
      generator: new Generator(options.seed, 'network'),
      conditions: { ...CALM_NETWORK, ...options.network },
      note: (text) => this.note(text),
    });
  }

  /** True virtual time since the beginning, which no host knows exactly. */
  get nowMs(): number {
    return this.#scheduler.nowMs;
  }

  /** The last lines of what happened: time, host, what. */
  get trace(): readonly string[] {
    return this.#lines;
  }

  /** Covers every line of the trace since the beginning. */
  traceHash(): string {
    return `${this.#traceCount}-${this.#traceChecksum.toString(16).padStart(8, '0')}`;
  }

  /** A line in the trace from the test itself. */
  note(text: string): void {
    const line = `${this.#scheduler.nowMs.toFixed(3)} ${text}`;
    this.#traceCount++;
    this.#traceChecksum = crc32c(toBytes(line), this.#traceChecksum);
    this.#lines.push(line);
    if (this.#lines.length > 2 * maxTraceLines) this.#lines.splice(0, maxTraceLines);
  }

  /** The host of this name, made and started at its first use. */
  host(name: string, options: HostOptions = {}): SimulatedHost {
    const existing = this.#hosts.get(name);
    if (existing) return existing;
    const { maxDrift = 0, maxWallSkewMs = 0, seed, disk } = this.#options;
    const host = new SimulatedHost({
      name,
      ip: `10.0.${this.#hosts.size >> 8}.${(this.#hosts.size & 255) + 1}`,
      seed,
      clockRate: options.clockRate ?? this.#generator.between(1 - maxDrift, 1 + maxDrift),
      wallSkewMs: options.wallSkewMs ?? this.#generator.between(-maxWallSkewMs, maxWallSkewMs),
      scheduler: this.#scheduler,
      board: this.#board,
      drive: new DiskDrive({ generator: new Generator(seed, `${name}/disk`), conditions: { ...CALM_DISK, ...disk } }),
      programs: this.#programs,
      trace: (text) => this.note(text),
    });
    this.#hosts.set(name, host);
    return host;
  }

  /** Makes `command` known on every host. */
  program(command: string, program: Program): void {
    this.#programs.set(command, program);
  }

  /** Calls back `delayMs` from now: for faults and checks that belong to no host. */
  after(delayMs: number, callback: () => void): Disposable {
    return this.#scheduler.at(this.#scheduler.nowMs + delayMs, callback);
  }

  /** Changes the network between hosts from now on. */
  setNetwork(conditions: Partial<NetworkConditions>): void {
    this.#board.conditions = { ...this.#board.conditions, ...conditions };
  }

  /** Cuts one direction. Requests wait for their timeout; streams fall silent; what was held comes at `heal`. */
  cut(from: string, to: string): void {
    this.note(`cut ${from} > ${to}`);
    this.#board.cut(from, to);
  }

  heal(from: string, to: string): void {
    this.note(`heal ${from} > ${to}`);
    this.#board.heal(from, to);
  }

  /** Cuts both directions between every host of one side and every host of the other. */
  partition(left: readonly string[], right: readonly string[]): void {
    for (const a of left)
      for (const b of right)
        for (const [from, to] of [
          [a, b],
          [b, a],
        ] as const)
          this.cut(from, to);
  }

  healAll(): void {
    for (const from of this.#hosts.keys()) for (const to of this.#hosts.keys()) if (this.#board.isCut(from, to)) this.heal(from, to);
  }

  /** Lets things happen until `untilMs`, or until `until` is true after an event, or until nothing is left to happen. */
  async run(options: { readonly untilMs?: number; readonly until?: () => boolean } = {}): Promise<'time' | 'condition' | 'idle'> {
    const { untilMs = Number.POSITIVE_INFINITY, until = () => false } = options;
    await this.#options.drain();
    while (!until()) {
      const nextMs = this.#scheduler.nextMs;
      if (nextMs === undefined && untilMs === Number.POSITIVE_INFINITY) return 'idle';
      if (nextMs === undefined || nextMs > untilMs) {
        this.#scheduler.skipTo(untilMs);
        return 'time';
      }
      this.#scheduler.step();
      await this.#options.drain();
    }
    return 'condition';
  }

  /** Lets things happen until the promise settles, and gives its outcome. */
  async complete<Value>(promise: Promise<Value>, options: { readonly limitMs?: number } = {}): Promise<Value> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    const { limitMs = defaultLimitMs } = options;
    const ended = await this.run({ untilMs: this.nowMs + limitMs, until: () => isSettled });
    assert(ended === 'condition', `seed ${this.#options.seed}: the promise did not settle within ${limitMs} virtual ms`);
    return await promise;
  }
}
