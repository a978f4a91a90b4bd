import { assert } from '#base/assert';
import type { LogFields, ProcessSpec, World } from '../world.ts';
import type { DiskDrive } from './disk-drive.ts';
import { Generator } from './generator.ts';
import { Life } from './life.ts';
import { ProcessTable, type RunningProgram } from './process-table.ts';
import type { Program } from './program.ts';
import type { Scheduler } from './scheduler.ts';
import { SimulatedClock } from './simulated-clock.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import type { Listener, NetworkHost, SwitchBoard } from './switch-board.ts';

export interface HostParts {
  readonly name: string;
  readonly ip: string;
  readonly seed: number;
  readonly clockRate: number;
  readonly wallSkewMs: number;
  readonly scheduler: Scheduler;
  readonly board: SwitchBoard;
  readonly drive: DiskDrive;
  readonly programs: ReadonlyMap<string, Program>;
  readonly trace: (line: string) => void;
}

interface Incarnation {
  readonly life: Life;
  readonly processes: ProcessTable;
  readonly world: World;
}

/**
 * One simulated machine. Its disk outlives it; everything else belongs to one incarnation, and what an old incarnation waits for never comes.
 */
export class SimulatedHost implements NetworkHost {
  readonly name: string;
  readonly ip: string;
  readonly drive: DiskDrive;
  readonly listeners = new Map<number, Listener>();
  readonly #parts: HostParts;
  readonly #bootSpecs: ProcessSpec[] = [];
  #count = 0;
  #now: Incarnation | undefined;

  constructor(parts: HostParts) {
    this.name = parts.name;
    this.ip = parts.ip;
    this.drive = parts.drive;
    this.#parts = parts;
    parts.board.add(this);
    this.#now = this.#begin();
  }

  get isUp(): boolean {
    return this.#now !== undefined;
  }

  /** How many times it was started. */
  get incarnation(): number {
    return this.#count;
  }

  /** @internal That of the kernel, for the network. */
  get life(): Life | undefined {
    return this.#now?.life;
  }

  /** The world of the running incarnation, for a test that acts as a program of this host. */
  get world(): World {
    assert(this.#now, `host ${this.name} is down`);
    return this.#now.world;
  }

  /** What runs here now, for a test that looks from outside. */
  get running(): readonly RunningProgram[] {
    return this.#now?.processes.running ?? [];
  }

  /** Ends one process and nobody else of its group. */
  killProcess(pid: number): void {
    this.#now?.processes.kill(pid);
  }

  /** For tests of pid reuse. */
  setNextPid(pid: number): void {
    this.#now?.processes.setNextPid(pid);
  }

  /** Starts a program now and at each later start of the host, as an init system does. */
  boot(command: string, options: Partial<Omit<ProcessSpec, 'command'>> = {}): void {
    const spec = { command, args: [], workingDirectory: '/', environment: {}, ...options };
    this.#bootSpecs.push(spec);
    this.#start(spec);
  }

  /** Power cut: memory, processes and unsynced writes are lost; the network hears nothing more. */
  crash(): void {
    const old = this.#now;
    if (!old) return;
    this.#trace('crashes');
    this.#now = undefined;
    old.life.end();
    this.listeners.clear();
    this.drive.cutPower();
  }

  /** Starts a host that is down, and what `boot` named. */
  restart(): void {
    this.crash();
    this.#now = this.#begin();
    for (const spec of this.#bootSpecs) this.#start(spec);
  }

  /** Nothing happens on this host until `resume`; what came meanwhile then comes at once. */
  pause(): void {
    this.#trace('pauses');
    this.#now?.life.pause();
  }

  resume(): void {
    this.#trace('resumes');
    this.#now?.life.resume();
  }

  #begin(): Incarnation {
    this.#count++;
    this.#trace(`starts, incarnation ${this.#count}`);
    const { scheduler, seed } = this.#parts;
    const bootedAtMs = scheduler.nowMs;
    const life = new Life(scheduler);
    const processes: ProcessTable = new ProcessTable({
      life,
      bootId: `${this.name}-${this.#count}`,
      generator: new Generator(seed, `${this.name}/${this.#count}/processes`),
      nowMs: () => scheduler.nowMs - bootedAtMs,
      programs: this.#parts.programs,
      world: (ofLife, name) => this.#world({ life: ofLife, name, bootedAtMs, processes }),
      append: (path, text) => this.drive.append(path, text, scheduler.nowMs),
      trace: (text) => this.#trace(text),
    });
    return { life, processes, world: this.#world({ life: life.child(), name: 'operator', bootedAtMs, processes }) };
  }

  #world(of: { readonly life: Life; readonly name: string; readonly bootedAtMs: number; readonly processes: ProcessTable }): World {
    const { scheduler, seed, board, clockRate, wallSkewMs } = this.#parts;
    const clock = new SimulatedClock(scheduler, of.life, { rate: clockRate, wallSkewMs, bootedAtMs: of.bootedAtMs });
    const label = `${this.name}/${this.#count}/${of.name}`;
    return {
      clock,
      random: new Generator(seed, label),
      network: new SimulatedNetwork({ board, generator: new Generator(seed, `${label}/network`), life: of.life, host: this }),
      disk: new SimulatedDisk({ drive: this.drive, life: of.life, wall: () => clock.wall() }),
      processes: of.processes.view(of.life),
      log: {
        write: (level, message, fields = {}) => {
          if (!of.life.isEnded) this.#trace(`${of.name} ${level} ${message}${formatFields(fields)}`);
        },
      },
    };
  }

  #start(spec: ProcessSpec): void {
    this.#now?.world.processes.spawn(spec).catch((error: unknown) => this.#trace(`cannot boot ${spec.command}: ${String(error)}`));
  }

  #trace(text: string): void {
    this.#parts.trace(`${this.name} ${text}`);
  }
}

function formatFields(fields: LogFields): string {
  return Object.entries(fields)
    .map(([name, value]) => ` ${name}=${value}`)
    .join('');
}
