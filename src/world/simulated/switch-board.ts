import type { NetworkResponse, ServedRequest } from '../world.ts';
import type { Generator } from './generator.ts';
import type { Life } from './life.ts';
import type { Scheduler } from './scheduler.ts';

/** What the network between simulated hosts is like. */
export interface NetworkConditions {
  readonly minDelayMs: number;
  /** Mean of the exponential part of each message's delay. */
  readonly meanDelayMs: number;
  /** Share of messages that take a hundred times as long. */
  readonly slowShare: number;
  /** Probability that a message between two hosts breaks its connection: half of the breaks are a reset, half are silence. */
  readonly loss: number;
}

/** A healthy local network. */
export const CALM_NETWORK: NetworkConditions = { minDelayMs: 0.1, meanDelayMs: 0.3, slowShare: 0, loss: 0 };

/** Who listens on a port of a host. */
export interface Listener {
  readonly life: Life;
  readonly isLocalOnly: boolean;
  readonly handler: (request: ServedRequest) => Promise<NetworkResponse>;
}

/** A host as the network sees it. */
export interface NetworkHost {
  readonly name: string;
  readonly ip: string;
  /** That of the kernel; `undefined` while the host is down. */
  readonly life: Life | undefined;
  readonly listeners: Map<number, Listener>;
}

/** One direction of one connection: its messages arrive in order. */
export interface Lane {
  notBeforeMs: number;
}

const loopbackDelayMs = 0.02;
/** Keeps two messages of a lane apart, so that no tie-break can swap them. */
const laneGapMs = 0.001;
const slowFactor = 100;

/** All hosts of a simulation and every one-way link between them. A cut or clogged link holds what is sent on it until it is healed. */
export class SwitchBoard {
  conditions: NetworkConditions;
  /** A line in the trace. */
  readonly note: (text: string) => void;
  readonly #scheduler: Scheduler;
  readonly #generator: Generator;
  readonly #hosts = new Map<string, NetworkHost>();
  readonly #cuts = new Map<string, (() => void)[]>();

  constructor(parts: {
    readonly scheduler: Scheduler;
    readonly generator: Generator;
    readonly conditions: NetworkConditions;
    readonly note: (text: string) => void;
  }) {
    this.#scheduler = parts.scheduler;
    this.#generator = parts.generator;
    this.conditions = parts.conditions;
    this.note = parts.note;
  }

  add(host: NetworkHost): void {
    this.#hosts.set(host.name, host);
    this.#hosts.set(host.ip, host);
  }

  find(nameOrIp: string): NetworkHost | undefined {
    return this.#hosts.get(nameOrIp);
  }

  /** Nothing goes from one to the other any more, in this direction, until `heal`. */
  cut(from: string, to: string): void {
    const key = linkKey(from, to);
    if (!this.#cuts.has(key)) this.#cuts.set(key, []);
  }

  /** What was held goes on its way now. */
  heal(from: string, to: string): void {
    const held = this.#cuts.get(linkKey(from, to)) ?? [];
    this.#cuts.delete(linkKey(from, to));
    for (const send of held) send();
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(linkKey(from, to));
  }

  /** Sends one message on its way. `arrive` gets the delay after which it is there. `lost` if the connection breaks instead. */
  transmit(from: NetworkHost, to: NetworkHost, lane: Lane, arrive: (delayMs: number) => void): 'sent' | 'lost' {
    if (from !== to && this.#generator.chance(this.conditions.loss)) return 'lost';
    const send = (): void => {
      const { nowMs } = this.#scheduler;
      const atMs = Math.max(nowMs + this.#delayMs(from === to), lane.notBeforeMs);
      lane.notBeforeMs = atMs + laneGapMs;
      arrive(atMs - nowMs);
    };
    const held = this.#cuts.get(linkKey(from.name, to.name));
    if (held) held.push(send);
    else send();
    return 'sent';
  }

  #delayMs(isLoopback: boolean): number {
    if (isLoopback) return loopbackDelayMs;
    const { minDelayMs, meanDelayMs, slowShare } = this.conditions;
    const delayMs = minDelayMs + this.#generator.exponential(meanDelayMs);
    return this.#generator.chance(slowShare) ? delayMs * slowFactor : delayMs;
  }
}

function linkKey(from: string, to: string): string {
  return `${from} > ${to}`;
}
