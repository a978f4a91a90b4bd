import { soon } from '../clock.ts';
import { KIND, Queues } from './queues.ts';
import { ReceiveBuffers } from './receive-buffers.ts';
import { SendBlocks } from './send-blocks.ts';
import { type SystemCalls, systemCalls } from './system-calls.ts';
import { WakeFile } from './wake-file.ts';

/** After so many the rest of the event loop has its turn. */
const roundsPerTurn = 16;

/** Hands over what it has to send. */
export interface Flushed {
  flush(): void;
}

/** A connection whose bytes the ring carries. */
export interface RingUser {
  /** A count of bytes, 0 at the end, or a negative errno; with the flags of the completion. */
  received(result: number, flags: number): void;
  /** All that was to be sent was taken, or a negative errno. */
  sent(result: number): void;
  /** The other side has ended or cut the connection. */
  hungUp(): void;
  /** What it asked for with `later`. */
  goOn(): void;
}

/**
 * An io_uring (Linux 6.1): what all connections receive and send goes through memory shared with the kernel, and one call serves many of them. With a call for each read and write, as
 * nginx, HAProxy and Node make them, entering the kernel is a fifth of a small request's cost.
 *
 * N1: a slot is one connection's until nothing of it is under way in the kernel. N2: what connections have to send is handed over once per round, when all that had come was handled: what is
 * written in one round to one connection goes out as one. N3: while rounds go on the kernel does not wake the event loop; once it may again, what came meanwhile is looked for.
 * N4: a turn after whose last round something may be left, or that somebody's error ended, is followed by another.
 */
export class Ring {
  readonly calls: SystemCalls;
  readonly queues: Queues;
  readonly buffers: ReceiveBuffers;
  readonly blocks: SendBlocks;
  readonly #wake: WakeFile;
  readonly #users: (RingUser | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  #flushing: Flushed[] = [];
  #flushed: Flushed[] = [];
  #waiting: RingUser[] = [];
  #isTurning = false;
  /** What else the event loop has is to have its turn after one round. */
  #isBrief = false;
  #isDue = false;
  /** Called in each round when all that had come was handled, before what is to be sent is handed over. */
  roundHandled: () => void = () => undefined;

  /** Throws where there can be none. */
  constructor() {
    this.calls = systemCalls();
    try {
      this.queues = new Queues(this.calls);
      this.buffers = new ReceiveBuffers(this.calls, this.queues.file);
      this.blocks = new SendBlocks(this.calls);
      this.#wake = new WakeFile(this.calls, this.queues.file, () => this.#turn());
    } catch (error) {
      this.calls.giveBack();
      throw error;
    }
  }

  /** Rounds go on: what is asked for is done in this turn of the event loop. */
  get isTurning(): boolean {
    return this.#isTurning;
  }

  /**
   * A connection was accepted, and others may wait behind it: of hundreds that come at once each turn of the event loop accepts a few, so that with long turns the last
   * would wait while those before it are served.
   */
  noteAccepted(): void {
    this.#isBrief = true;
  }

  /** The slot of a new connection. */
  enter(user: RingUser): number {
    const slot = this.#freeSlots.pop() ?? this.#users.length;
    this.#users[slot] = user;
    if (this.#users.length - this.#freeSlots.length === 1) this.#wake.isNeeded = true;
    return slot;
  }

  /** N1. */
  leave(slot: number): void {
    this.#users[slot] = undefined;
    this.#freeSlots.push(slot);
    if (this.#users.length === this.#freeSlots.length) this.#wake.isNeeded = false;
  }

  /** Has `flush` called once in this round (N2). */
  flushes(who: Flushed): void {
    this.#flushing.push(who);
    this.due();
  }

  /** Has `goOn` called, in the next round. */
  later(user: RingUser): void {
    this.#waiting.push(user);
    this.due();
  }

  /** Something was put into the queues. */
  due(): void {
    if (this.#isTurning || this.#isDue) return;
    this.#isDue = true;
    soon(this.#turnSoon);
  }

  readonly #turnSoon = (): void => {
    this.#isDue = false;
    this.#turn();
  };

  #turn(): void {
    if (this.#isTurning) return;
    const { queues } = this;
    this.#isTurning = true;
    // N3.
    queues.wakes = false;
    const most = this.#isBrief ? 1 : roundsPerTurn;
    this.#isBrief = false;
    let isOver = false;
    try {
      for (let rounds = 0; rounds < most && !isOver; rounds++) {
        this.#handOver();
        if (queues.isDue) queues.enter();
        isOver = queues.take(this.#completed) === 0 && !this.#hasMore;
      }
    } finally {
      this.#isTurning = false;
      queues.wakes = true;
      // N4.
      if (!isOver || queues.isDue || queues.hasCompleted) this.due();
    }
  }

  get #hasMore(): boolean {
    return this.#waiting.length > 0 || this.#flushing.length > 0;
  }

  #handOver(): void {
    // Those who ask again wait for the next round.
    for (let left = this.#waiting.length; left > 0; left--) {
      // One that throws has its turn again.
      this.#waiting[0]?.goOn();
      this.#waiting.shift();
    }
    this.roundHandled();
    const flushing = this.#flushing;
    if (flushing.length === 0) return;
    this.#flushing = this.#flushed;
    this.#flushed = flushing;
    for (let at = 0; at < flushing.length; at++) flushing[at]?.flush();
    flushing.length = 0;
  }

  readonly #completed = (slot: number, kind: number, result: number, flags: number): void => {
    if (kind === KIND.receive) this.#users[slot]?.received(result, flags);
    else if (kind === KIND.send) this.#users[slot]?.sent(result);
    else if (kind === KIND.hangUp) this.#users[slot]?.hungUp();
  };
}
