import type { Ring } from './ring.ts';
import { BLOCK_BYTES, type SendBlock } from './send-blocks.ts';

/** Up to this many a loop copies faster than a call. */
const fewBytes = 64;

/** Whose outbox it is. */
export interface OutboxUser {
  readonly slot: number;
  readonly file: number;
  /** The kernel has taken all of what was pending. */
  taken(): void;
  broke(errno: number): void;
}

/**
 * What one connection has to send: in a block of the ring to the end of the round, then under way in the kernel, which takes it at once unless the other side does not read.
 *
 * X1: one send is under way at most, so bytes go out in their order. X2: what is added was copied or taken when `add` returns: its memory is the caller's again. X3: what the kernel does not
 * take waits in the backlog. It is bounded by those who add: they stop while it `isPending`. X4: who was told that it is pending is told when it no longer is.
 */
export class Outbox {
  readonly #ring: Ring;
  readonly #user: OutboxUser;
  #block: SendBlock | undefined;
  /** Of what is in the block. */
  #length = 0;
  #isSending = false;
  #backlog: Buffer[] = [];
  /** Somebody was told that it is pending. */
  #isAwaited = false;
  #isBroken = false;

  constructor(ring: Ring, user: OutboxUser) {
    this.#ring = ring;
    this.#user = user;
  }

  /** Something is under way in the kernel. */
  get isSending(): boolean {
    return this.#isSending;
  }

  /** The kernel does not take what it has. */
  get isPending(): boolean {
    return this.#isSending || this.#backlog.length > 0 || this.#isBroken;
  }

  /** As `isPending`, for somebody who waits then (X4). */
  tellsPending(): boolean {
    if (!this.isPending) return false;
    this.#isAwaited = true;
    return true;
  }

  /** Adds bytes; true: it is pending, and its user will be told when it no longer is. */
  add(bytes: Buffer): boolean {
    if (this.#isBroken) return true;
    if (this.isPending) return this.wait(bytes);
    const { length } = bytes;
    if (this.#length + length <= BLOCK_BYTES) {
      this.#copy(bytes);
      return false;
    }
    this.sendNow();
    if (this.isPending) return this.wait(bytes);
    const taken = this.#takenNow(bytes);
    return taken === length ? false : this.wait(bytes.subarray(taken));
  }

  /** Adds bytes that are pending from the start (X3). Before the connection is open that is all there is to do. */
  wait(bytes: Buffer): true {
    if (this.#isBroken) return true;
    this.#isAwaited = true;
    this.#backlog.push(Buffer.from(bytes));
    if (this.#user.file >= 0) this.#refill();
    return true;
  }

  /** The connection is open: what has waited for that is sent. */
  opened(): void {
    if (this.#backlog.length > 0) this.#refill();
  }

  /** Hands the block to the kernel. Called by the ring at the end of the round. */
  flush(): void {
    const block = this.#block;
    if (block === undefined || this.#isSending) return;
    this.#isSending = true;
    this.#ring.queues.send(this.#user.slot, this.#user.file, block.address, this.#length);
  }

  /** Does not wait for the end of the round: another call must come after what it has. */
  sendNow(): void {
    const block = this.#block;
    if (block === undefined || this.#isSending) return;
    const bytes = block.bytes.subarray(0, this.#length);
    const taken = this.#takenNow(bytes);
    if (taken < bytes.length) this.#backlog.push(Buffer.from(bytes.subarray(taken)));
    this.#giveBlock();
    if (this.#backlog.length > 0) this.#refill();
  }

  /** What became of the send under way. */
  sent(result: number): void {
    const block = this.#block as SendBlock;
    this.#isSending = false;
    if (result < 0 || this.#isBroken) {
      this.#giveBlock();
      if (result < 0) this.#fail(result);
      return;
    }
    // It waits for all, so that less is what was taken before an error, which the rest will meet again.
    if (result < this.#length) this.#backlog.unshift(Buffer.from(block.bytes.subarray(result, this.#length)));
    this.#giveBlock();
    if (this.#backlog.length > 0) {
      this.#refill();
      return;
    }
    // X4.
    if (!this.#isAwaited) return;
    this.#isAwaited = false;
    this.#user.taken();
  }

  /** Nothing more is sent of what it has. */
  drop(): void {
    this.#isBroken = true;
    this.#backlog = [];
    if (!this.#isSending) this.#giveBlock();
  }

  #copy(bytes: Buffer): void {
    if (this.#block === undefined) {
      this.#block = this.#ring.blocks.take();
      this.#ring.flushes(this);
    }
    const to = this.#block.bytes;
    const at = this.#length;
    const { length } = bytes;
    if (length > fewBytes) to.set(bytes, at);
    else for (let from = 0; from < length; from++) to[at + from] = bytes[from] as number;
    this.#length = at + length;
  }

  /** Moves what fits from the backlog into a block, and hands that over. */
  #refill(): void {
    // X1.
    if (this.#isSending) return;
    const backlog = this.#backlog;
    while (this.#length < BLOCK_BYTES) {
      const first = backlog[0];
      if (first === undefined) break;
      const room = BLOCK_BYTES - this.#length;
      this.#copy(first.length > room ? first.subarray(0, room) : first);
      if (first.length > room) backlog[0] = first.subarray(room);
      else backlog.shift();
    }
    this.flush();
  }

  /** How many bytes the kernel took by a call of its own. If that fails, so will the send of what it did not take, which tells why. */
  #takenNow(bytes: Buffer): number {
    return Math.max(0, this.#ring.calls.send(this.#user.file, bytes));
  }

  #giveBlock(): void {
    const block = this.#block;
    this.#block = undefined;
    this.#length = 0;
    if (block !== undefined) this.#ring.blocks.give(block);
  }

  #fail(errno: number): void {
    if (this.#isBroken) return;
    this.drop();
    this.#user.broke(errno);
  }
}
