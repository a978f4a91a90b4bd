import { deepEqual, equal } from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { openRing } from './dataplane/ring/open-ring.ts';
import { ringWires } from './dataplane/ring/ring-wires.ts';
import type { Wire, WireUser } from './dataplane/wire.ts';
import { Luck } from './fixture-soak-plan.ts';
import { pause } from './live-fixture.ts';

/** `SEED=7 CONNECTIONS=20000 node --test src/gateway/ring-storm.live.test.ts` is another storm, and a longer one. */
const seed = Number(process.env['SEED'] ?? 20_261_127);
const connections = Number(process.env['CONNECTIONS'] ?? 1_500);
const atOnce = Number(process.env['AT_ONCE'] ?? 300);
const sizes = [0, 1, 60, 3_000, 16_384, 16_385, 70_000, 600_000];

const patternBytes = 65_521;
const pattern = Buffer.from(Uint8Array.from({ length: patternBytes + 700_000 }, (_, at) => Math.imul(at % patternBytes, 2_654_435_761) >>> 24));
/** What a stream has from one place to another. */
function partOf(stream: number, from: number, to: number): Buffer {
  const at = (stream * 977 + from) % patternBytes;
  return pattern.subarray(at, at + to - from);
}

const opened = openRing();
const problems: string[] = [];

/** One end of a connection: it sends so many bytes, reads what comes with pauses, and may leave in the middle. */
class End implements WireUser {
  wire!: Wire;
  other: End | undefined;
  isClosed = false;
  hasEnded = false;
  /** It, or a stroke of luck, ended the connection before its time. */
  hasLeft = false;
  written = 0;
  got = 0;
  readonly #stream: number;
  readonly #luck: Luck;
  readonly #size: number;
  readonly #leavesAt: number;
  #isPaused = false;
  #isStubborn = false;
  #isWriting = false;
  readonly #closed: () => void;

  constructor(stream: number, luck: Luck, closed: () => void) {
    this.#stream = stream;
    this.#luck = luck;
    this.#closed = closed;
    this.#size = luck.pick(sizes);
    this.#leavesAt = luck.isOneIn(4) ? luck.below(this.#size + 1) : Number.POSITIVE_INFINITY;
  }

  begin(): void {
    if (this.#luck.isOneIn(3)) this.#pause();
    // Some leave whatever is under way, and some of those never read.
    if (this.#luck.isOneIn(8)) {
      if (this.#luck.isOneIn(2)) this.#isStubborn = true;
      setTimeout(() => this.#leave(), this.#luck.below(60));
    }
    if (this.#isStubborn) this.#pause();
    this.#write();
  }

  onConnected(): void {
    this.#told('connected');
    this.begin();
  }

  onBytes(bytes: Buffer, count: number): void {
    this.#told('bytes');
    if (this.#isPaused) this.#problem('bytes while paused');
    if (this.hasEnded) this.#problem('bytes after the end');
    const from = this.#stream ^ 1;
    if (!partOf(from, this.got, this.got + count).equals(bytes.subarray(0, count))) this.#problem(`something else at ${this.got}`);
    this.got += count;
    if (this.#luck.isOneIn(4)) this.#pause();
    if (this.#luck.isOneIn(400)) this.#leave();
    else if (this.#luck.isOneIn(5)) this.#write();
  }

  onWritable(): void {
    this.#told('writable');
    if (this.#luck.isOneIn(100)) this.#leave();
    else this.#write();
  }

  onEnded(): void {
    this.#told('ended');
    if (this.#isPaused) this.#problem('the end while paused');
    if (this.hasEnded) this.#problem('a second end');
    this.hasEnded = true;
  }

  onClosed(error: NodeJS.ErrnoException | undefined): void {
    this.#told('closed');
    this.isClosed = true;
    const { other } = this;
    const left = this.hasLeft || other?.hasLeft;
    if (!left && error !== undefined) this.#problem(`an error: ${error.code}`);
    if (!left && (!this.hasEnded || this.got !== other?.written)) this.#problem(`${this.got} of ${other?.written} bytes came`);
    this.#closed();
  }

  #write(): void {
    if (this.#isWriting) return;
    this.#isWriting = true;
    while (!this.isClosed && !this.hasLeft && this.written < this.#size) {
      if (this.written >= this.#leavesAt) {
        this.#leave();
        break;
      }
      const to = Math.min(this.#size, this.written + 1 + this.#luck.below(this.#luck.isOneIn(3) ? 200 : 40_000));
      const bytes = Buffer.from(partOf(this.#stream, this.written, to));
      this.written = to;
      const isPending = this.wire.write(bytes);
      // They are the writer's again.
      bytes.fill(0);
      if (isPending || this.wire.isPending) break;
    }
    this.#isWriting = false;
    if (this.written === this.#size && !this.hasLeft) this.wire.end();
  }

  #leave(): void {
    if (this.isClosed || this.hasLeft) return;
    this.hasLeft = true;
    if (this.#luck.isOneIn(2)) this.wire.destroy();
    else this.wire.reset();
  }

  #pause(): void {
    this.#isPaused = true;
    this.wire.pause();
    if (this.#isStubborn) return;
    const resume = () => {
      this.#isPaused = false;
      this.wire.resume();
      // Right after: what goes on must not have begun.
      if (this.#luck.isOneIn(3)) this.#pause();
    };
    if (this.#luck.isOneIn(2)) setImmediate(resume);
    else setTimeout(resume, this.#luck.below(20));
  }

  #told(what: string): void {
    if (this.isClosed) this.#problem(`${what} after the close`);
    else if (this.hasLeft && what !== 'closed') this.#problem(`${what} after it has left`);
  }

  #problem(what: string): void {
    if (problems.length < 20) problems.push(`${this.#stream}: ${what}`);
  }
}

test('whatever both ends of many connections do, each gets what the other sent, in order and once, and each is closed once', {
  skip: opened.ring === undefined && `no io_uring: ${opened.reason}`,
  timeout: 60_000,
}, async () => {
  if (opened.ring === undefined) return;
  const wires = ringWires(opened.ring);
  const luck = new Luck(seed);
  const nothing = Buffer.alloc(0);
  let accepted = Promise.withResolvers<Socket>();
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => accepted.resolve(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address() as { readonly address: string; readonly port: number };
  const files = () => readdirSync('/proc/self/fd').length;
  const before = files();
  let open = 0;
  let room = Promise.withResolvers<void>();
  const closed = () => {
    open--;
    room.resolve();
  };
  const untilOpen = async (most: number) => {
    while (open > most) {
      room = Promise.withResolvers();
      await room.promise;
    }
  };
  for (let connection = 0; connection < connections; connection++) {
    await untilOpen(2 * atOnce - 2);
    open += 2;
    accepted = Promise.withResolvers();
    const here = new End(2 * connection, luck, closed);
    const there = new End(2 * connection + 1, luck, closed);
    here.other = there;
    there.other = here;
    here.wire = wires.connected({ host: address.address, port: address.port }, here, nothing);
    there.wire = wires.accepted(await accepted.promise, there, nothing);
    there.begin();
  }
  await untilOpen(0);
  server.close();
  await pause(50);
  deepEqual(problems, [], `seed ${seed}`);
  equal(files(), before - 1, 'files are left open');
});
