import { ERRNO, RingError, type SystemCalls } from './system-calls.ts';

/** Numbers of the kernel's interface (include/uapi/linux/io_uring.h; described in io_uring_setup(2), io_uring_enter(2)). */
const SETUP = { cqSize: 1 << 3, submitAll: 1 << 7, taskrunFlag: 1 << 9, singleIssuer: 1 << 12, deferTaskrun: 1 << 13 } as const;
const OPERATION = { poll: 6, cancel: 14, send: 26, receive: 27 } as const;
const bufferSelect = 1 << 5;
const RECEIVE = { pollFirst: 1, again: 2 } as const;
const CANCEL = { all: 1, byFile: 2 } as const;
/** MSG_NOSIGNAL and MSG_WAITALL: a send is over when all was taken. */
const sendFlags = 0x4100;
/** POLLRDHUP; that the connection is broken is always told. */
const hangUp = 0x2000;
const getEvents = 1;
const SQ_FLAG = { overflow: 1 << 1, taskrun: 1 << 2 } as const;
const cqEventsOff = 1;
const MAPPING = { rings: 0, entries: 0x10000000 } as const;
const PARAMS = { bytes: 120, sqEntries: 0, cqEntries: 4, flags: 8, sq: 40, cq: 80 } as const;
/** Offsets that the kernel tells, of those that stand behind `PARAMS.sq` and `PARAMS.cq`. */
const SQ = { head: 0, tail: 4, mask: 8, flags: 16, array: 24 } as const;
const CQ = { head: 0, tail: 4, mask: 8, entries: 20, flags: 24 } as const;
const ENTRY = { submittedBytes: 64, completedBytes: 16 } as const;
const submittedWords = ENTRY.submittedBytes / 4;
const completedWords = ENTRY.completedBytes / 4;

const sqEntries = 512;
const cqEntries = 8_192;

/** What a completion is about. */
export const KIND = { receive: 0, send: 1, cancel: 2, hangUp: 3 } as const;
const kindBits = 2;

/** Whether a receive goes on, and what it was given, from the flags of its completion. */
export const COMPLETION = { hasBuffer: 1, goesOn: 2, bufferShift: 16 } as const;

/** Called for each completion: `slot` and `kind` as they were submitted, the result (a count, or a negative errno) and flags. */
export type Completed = (slot: number, kind: number, result: number, flags: number) => void;

/**
 * The two queues of an io_uring, in memory shared with the kernel: what it is to do, and what it has done.
 *
 * Q1: an entry is written whole before the tail that shows it to the kernel. Q2: the kernel is told of all entries in one call, or when the queue is full. Q3: an entry of the other queue is
 * read before the head that gives it back.
 */
export class Queues {
  readonly file: number;
  readonly #calls: SystemCalls;
  readonly #sqHead: Uint32Array;
  readonly #sqTail: Uint32Array;
  readonly #sqFlags: Uint32Array;
  readonly #sqMask: number;
  readonly #submitted: Int32Array;
  readonly #cqHead: Uint32Array;
  readonly #cqTail: Uint32Array;
  readonly #cqFlags: Uint32Array;
  readonly #cqMask: number;
  readonly #done: Int32Array;
  #tail = 0;
  /** Entries that the kernel was not told of. */
  #untold = 0;

  /** Throws if this kernel has no io_uring that defers its work (Linux 6.1), or does not let us use it. */
  constructor(calls: SystemCalls) {
    this.#calls = calls;
    const params = Buffer.alloc(PARAMS.bytes);
    params.writeUInt32LE(cqEntries, PARAMS.cqEntries);
    params.writeUInt32LE(SETUP.cqSize | SETUP.submitAll | SETUP.taskrunFlag | SETUP.singleIssuer | SETUP.deferTaskrun, PARAMS.flags);
    this.file = calls.setup(sqEntries, params);
    if (this.file < 0) throw new RingError('io_uring_setup', this.file);
    const told = (at: number) => params.readUInt32LE(at);
    const sqBytes = told(PARAMS.sq + SQ.array) + told(PARAMS.sqEntries) * 4;
    const cqBytes = told(PARAMS.cq + CQ.entries) + told(PARAMS.cqEntries) * ENTRY.completedBytes;
    const { memory } = calls.map(Math.max(sqBytes, cqBytes), this.file, MAPPING.rings);
    const sq = (at: number) => new Uint32Array(memory, told(PARAMS.sq + at), 1);
    const cq = (at: number) => new Uint32Array(memory, told(PARAMS.cq + at), 1);
    this.#sqHead = sq(SQ.head);
    this.#sqTail = sq(SQ.tail);
    this.#sqFlags = sq(SQ.flags);
    this.#sqMask = sq(SQ.mask)[0] as number;
    this.#cqHead = cq(CQ.head);
    this.#cqTail = cq(CQ.tail);
    this.#cqFlags = cq(CQ.flags);
    this.#cqMask = cq(CQ.mask)[0] as number;
    this.#done = new Int32Array(memory, told(PARAMS.cq + CQ.entries), told(PARAMS.cqEntries) * completedWords);
    new Uint32Array(memory, told(PARAMS.sq + SQ.array), told(PARAMS.sqEntries)).forEach((_, at, entries) => {
      entries[at] = at;
    });
    this.#submitted = new Int32Array(calls.map(told(PARAMS.sqEntries) * ENTRY.submittedBytes, this.file, MAPPING.entries).memory);
  }

  /** Receives from `file`, into buffers of `group` that the kernel picks when bytes have come: one, or with `again` until it is canceled, the end comes or buffers run out. */
  receive(slot: number, file: number, { group, again }: { readonly group: number; readonly again: boolean }): void {
    const how = again ? RECEIVE.pollFirst | RECEIVE.again : RECEIVE.pollFirst;
    this.#add(OPERATION.receive | (bufferSelect << 8) | (how << 16), file, 0, 0, 0, (slot << kindBits) | KIND.receive, group);
  }

  send(slot: number, file: number, address: number, bytes: number): void {
    this.#add(OPERATION.send, file, address, bytes, sendFlags, (slot << kindBits) | KIND.send, 0);
  }

  /** Completes once the other side has ended or cut the connection. */
  awaitHangUp(slot: number, file: number): void {
    this.#add(OPERATION.poll, file, 0, 0, hangUp, (slot << kindBits) | KIND.hangUp, 0);
  }

  cancelReceive(slot: number): void {
    this.#add(OPERATION.cancel, -1, (slot << kindBits) | KIND.receive, 0, 0, KIND.cancel, 0);
  }

  /** All that is under way on `file`. */
  cancelAll(file: number): void {
    this.#add(OPERATION.cancel, file, 0, 0, CANCEL.byFile | CANCEL.all, KIND.cancel, 0);
  }

  /** Whether a call would bring anything about. */
  get isDue(): boolean {
    return this.#untold > 0 || (Atomics.load(this.#sqFlags, 0) & (SQ_FLAG.taskrun | SQ_FLAG.overflow)) !== 0;
  }

  get hasCompleted(): boolean {
    return this.#cqHead[0] !== Atomics.load(this.#cqTail, 0);
  }

  /** Whether the event file is written to when something has completed. */
  set wakes(wakes: boolean) {
    Atomics.store(this.#cqFlags, 0, wakes ? 0 : cqEventsOff);
  }

  /** Tells the kernel what to do (Q2) and lets it finish what it has begun. */
  enter(): void {
    this.#tell(getEvents);
  }

  /** Takes what has completed by now, in its order. Gives how many. What `completed` throws goes to the caller; what comes after is still there. */
  take(completed: Completed): number {
    let head = this.#cqHead[0] as number;
    const first = head;
    const tail = Atomics.load(this.#cqTail, 0);
    try {
      while (head !== tail) {
        const at = (head & this.#cqMask) * completedWords;
        const of = this.#done[at] as number;
        const result = this.#done[at + 2] as number;
        const flags = this.#done[at + 3] as number;
        head = (head + 1) >>> 0;
        completed(of >>> kindBits, of & ((1 << kindBits) - 1), result, flags);
      }
    } finally {
      Atomics.store(this.#cqHead, 0, head);
    }
    return (tail - first) >>> 0;
  }

  #add(operation: number, file: number, address: number, bytes: number, flags: number, of: number, group: number): void {
    // Q2.
    if (this.#untold > this.#sqMask) this.#tell(0);
    if (this.#untold > this.#sqMask) throw new RingError('io_uring_enter', ERRNO.again);
    const at = (this.#tail & this.#sqMask) * submittedWords;
    const entry = this.#submitted;
    entry[at] = operation;
    entry[at + 1] = file;
    entry[at + 4] = lowWord(address);
    entry[at + 5] = highWord(address);
    entry[at + 6] = bytes;
    entry[at + 7] = flags;
    entry[at + 8] = of;
    entry[at + 10] = group;
    this.#tail = (this.#tail + 1) >>> 0;
    this.#untold++;
  }

  #tell(flags: number): void {
    // Q1.
    Atomics.store(this.#sqTail, 0, this.#tail);
    const result = this.#calls.enter(this.file, this.#untold, flags);
    this.#untold = result >= 0 ? this.#untold - result : (this.#tail - Atomics.load(this.#sqHead, 0)) >>> 0;
  }
}

/** As the kernel reads numbers of 64 bits. */
export function lowWord(address: number): number {
  return address % 2 ** 32;
}

export function highWord(address: number): number {
  return Math.floor(address / 2 ** 32);
}
