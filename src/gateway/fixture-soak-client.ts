import type { Socket } from 'node:net';
import { ChunkedReader } from './dataplane/chunked-reader.ts';
import { after, every } from './dataplane/clock.ts';
import { judgeAnswer, judgeSilence } from './fixture-soak-answer.ts';
import type { SoakConnection, SoakDoor } from './fixture-soak-door.ts';
import { type Ledger, type Luck, type Plan, patternOf } from './fixture-soak-plan.ts';
import { pause } from './live-fixture.ts';

/** Without an answer: longer than a request waits for a backend and that for its answer. */
const longestMs = 16_000;
/** How long one that asks before it sends its body waits for an answer. */
const askMs = 100;

interface Reading {
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly closes: boolean;
  readonly kind: 'none' | 'length' | 'chunked' | 'close';
  left: number;
  readonly parts: Buffer[];
}

/** One HTTP/1.1 connection: some requests, one after the other or all at once, and their answers in order. */
export class SoakClient {
  readonly #ledger: Ledger;
  readonly #luck: Luck;
  readonly #connection: SoakConnection;
  readonly #socket: Socket;
  readonly #plans: readonly Plan[];
  /** Of the plans, how many were begun to be sent, and how many were answered. */
  #sent = 0;
  #answered = 0;
  #rest: Buffer = Buffer.alloc(0);
  #reading: Reading | undefined;
  readonly #chunks = new ChunkedReader();
  #mayContinue = false;
  /** An answer said that it is the last. */
  #isLast = false;
  #hasLeft = false;
  #hasEnded = false;
  readonly #over = Promise.withResolvers<void>();
  #wake: () => void = () => undefined;

  constructor(ledger: Ledger, luck: Luck, door: SoakDoor) {
    this.#ledger = ledger;
    this.#luck = luck;
    this.#plans = Array.from({ length: 1 + luck.below(luck.isOneIn(3) ? 12 : 3) }, () => ledger.draw(luck));
    this.#connection = door.open(luck, 'http/1.1');
    this.#socket = this.#connection.socket;
    this.#socket.setNoDelay(luck.isOneIn(2));
  }

  /** Resolves once the connection is over and every answer was judged. */
  async run(): Promise<void> {
    const socket = this.#socket;
    let before = -1;
    using _ = every(longestMs, () => {
      if (before === this.#answered) {
        this.#ledger.problem(`nothing for ${longestMs} ms with ${this.#answered} of ${this.#sent} answered`, this.#plans[this.#answered]);
        this.#leave();
      }
      before = this.#answered;
    });
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('error', () => undefined);
    socket.on('end', () => this.#end());
    socket.on('close', () => {
      this.#end();
      this.#over.resolve();
    });
    if (this.#luck.isOneIn(4)) void this.#leaveLater(this.#luck.below(this.#luck.isOneIn(3) ? 150 : 15));
    if (this.#luck.isOneIn(6)) void this.#readSlowly();
    await this.#sendAll();
    await this.#over.promise;
  }

  async #sendAll(): Promise<void> {
    const luck = this.#luck;
    const waits = luck.isOneIn(2);
    for (const plan of this.#plans) {
      if (this.#hasEnded) break;
      this.#sent++;
      await this.#send(plan, waits);
      if (waits) await this.#until(() => this.#answered === this.#sent);
    }
    await this.#until(() => this.#answered === this.#plans.length);
    if (!this.#hasEnded && !this.#isLast) this.#leave();
  }

  async #send(plan: Plan, waits: boolean): Promise<void> {
    const { token, method, service, upload, uploadBytes } = plan;
    const asks = plan.asksFirst && waits;
    const framing = upload === 'length' ? `Content-Length: ${uploadBytes}\r\n` : upload === 'chunked' ? 'Transfer-Encoding: chunked\r\n' : '';
    this.#mayContinue = false;
    const head = Buffer.from(
      `${method} /${service}/${token} HTTP/1.1\r\nHost: a\r\nX-Token: ${token}\r\n${framing}${asks ? 'Expect: 100-continue\r\n' : ''}\r\n`,
    );
    if (!asks) {
      await this.#write(Buffer.concat([head, this.#bodyOf(plan)]));
      return;
    }
    await this.#write(head);
    using _ = after(askMs, () => {
      this.#mayContinue = true;
      this.#wake();
    });
    await this.#until(() => this.#mayContinue || this.#answered === this.#sent);
    // An answer instead of "go on": the body would be taken for the next request, or is not wanted.
    if (this.#answered === this.#sent) this.#leave();
    else await this.#write(this.#bodyOf(plan));
  }

  #bodyOf({ token, upload, uploadBytes }: Plan): Buffer {
    const body = patternOf(token, uploadBytes);
    if (upload !== 'chunked') return body;
    const parts: (Buffer | string)[] = [];
    for (let at = 0; at < body.length; ) {
      const size = Math.min(body.length - at, 1 + this.#luck.below(this.#luck.isOneIn(3) ? 40 : 30_000));
      parts.push(`${size.toString(16)}${this.#luck.isOneIn(9) ? ';x=y' : ''}\r\n`, body.subarray(at, at + size), '\r\n');
      at += size;
    }
    parts.push('0\r\n', this.#luck.isOneIn(3) ? `X-Trailer: ${token.repeat(this.#luck.below(80))}\r\n` : '', '\r\n');
    return Buffer.concat(parts.map((part) => Buffer.from(part)));
  }

  /** In parts, as luck will have it, at the pace at which they are taken. */
  async #write(bytes: Buffer): Promise<void> {
    const socket = this.#socket;
    const luck = this.#luck;
    const cuts = [...Array.from({ length: luck.isOneIn(2) ? luck.below(6) : 0 }, () => luck.below(bytes.length + 1)), bytes.length].sort((a, b) => a - b);
    let from = 0;
    for (const to of cuts) {
      if (socket.destroyed || !socket.writable) return;
      const isTaken = socket.write(bytes.subarray(from, to));
      from = to;
      if (!isTaken) await this.#drained();
      if (luck.isOneIn(3)) await pause(luck.below(luck.isOneIn(10) ? 60 : 4));
    }
  }

  async #drained(): Promise<void> {
    let isFree = false;
    const free = () => {
      isFree = true;
      this.#wake();
    };
    this.#socket.once('drain', free);
    await this.#until(() => isFree);
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds() && !this.#hasEnded) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #leave(): void {
    this.#hasLeft = true;
    const how = this.#luck.below(3);
    if (how === 0) this.#connection.reset();
    else if (how === 1) this.#socket.end();
    this.#socket.destroy();
    this.#end();
  }

  async #leaveLater(delayMs: number): Promise<void> {
    await pause(delayMs);
    if (!this.#hasEnded) this.#leave();
  }

  async #readSlowly(): Promise<void> {
    while (!this.#hasEnded) {
      this.#socket.pause();
      await pause(this.#luck.below(40));
      this.#socket.resume();
      await pause(this.#luck.below(4));
    }
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#wake();
    this.#socket.end();
    this.#judgeRest();
  }

  /** What is said of the requests that were not answered when the connection ended. */
  #judgeRest(): void {
    const plan = this.#plans[this.#answered];
    const reading = this.#reading;
    if (plan === undefined) return;
    let next = this.#answered;
    if (reading !== undefined) {
      if (reading.kind === 'close') this.#finish(reading);
      else if (!this.#hasLeft) judgeAnswer(this.#ledger, plan, { ...reading, body: Buffer.concat(reading.parts), isWhole: false });
      next++;
    } else if (!this.#hasLeft && !this.#isLast && this.#answered < this.#sent) {
      judgeSilence(this.#ledger, plan, `the connection ended after ${this.#answered} of ${this.#sent}, ${this.#rest.length} bytes left`);
      next++;
    }
    if (this.#hasLeft && !this.#isLast) return;
    // Those behind an answer that was the last, or that was cut off, were not taken up.
    for (const each of this.#plans.slice(next)) this.#ledger.mustBeUnsent(each, 'the connection ended before its turn');
  }

  #take(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (!this.#hasEnded && this.#rest.length > 0 && (this.#reading === undefined ? this.#takeHead() : this.#takeBody(this.#reading)));
  }

  #takeHead(): boolean {
    const plan = this.#plans[this.#answered];
    if (plan === undefined || this.#answered >= this.#sent || this.#isLast) {
      this.#ledger.problem(`bytes behind the last answer: ${JSON.stringify(this.#rest.toString('latin1', 0, 200))}`, this.#plans[this.#answered - 1]);
      this.#leave();
      return false;
    }
    const end = this.#rest.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const text = this.#rest.toString('latin1', 0, end + 2);
    this.#rest = this.#rest.subarray(end + 4);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? 0);
    const fields = Object.fromEntries([...text.matchAll(/^([^:\r\n]+): *(.*)\r$/gm)].map(([, name = '', value = '']) => [name.toLowerCase(), value]));
    if (status < 100) {
      this.#ledger.problem(`what is no answer: ${JSON.stringify(text.slice(0, 200))}`, plan);
      this.#leave();
      return false;
    }
    if (status < 200) {
      if (status === 100) this.#mayContinue = true;
      else if (!text.includes(plan.token)) this.#ledger.problem(`got hints of another: ${text}`, plan);
      this.#wake();
      return true;
    }
    const closes = fields['connection'] === 'close';
    const isBare = plan.method === 'HEAD' || status === 204 || status === 304;
    const kind = isBare ? 'none' : fields['transfer-encoding'] === 'chunked' ? 'chunked' : fields['content-length'] === undefined ? 'close' : 'length';
    this.#chunks.begin();
    const reading: Reading = { status, fields, closes, kind, left: Number(fields['content-length'] ?? 0), parts: [] };
    this.#reading = reading;
    if (kind === 'close') this.#ledger.problem('an answer without framing', plan);
    if (kind === 'none' || (kind === 'length' && reading.left === 0)) this.#finish(reading);
    return true;
  }

  #takeBody(reading: Reading): boolean {
    if (reading.kind === 'chunked') {
      const at = this.#chunks.read(this.#rest, 0, this.#rest.length);
      if (at < 0) {
        this.#ledger.problem('an answer with broken chunks', this.#plans[this.#answered]);
        this.#leave();
        return false;
      }
      reading.parts.push(this.#rest.subarray(this.#chunks.dataAt, this.#chunks.dataEnd));
      this.#rest = this.#rest.subarray(at);
      if (this.#chunks.done) this.#finish(reading);
      return true;
    }
    const part = this.#rest.subarray(0, reading.left);
    reading.left -= part.length;
    reading.parts.push(part);
    this.#rest = this.#rest.subarray(part.length);
    if (reading.left === 0) this.#finish(reading);
    return true;
  }

  #finish(reading: Reading): void {
    const plan = this.#plans[this.#answered] as Plan;
    this.#answered++;
    this.#reading = undefined;
    if (reading.closes) this.#isLast = true;
    judgeAnswer(this.#ledger, plan, { ...reading, body: Buffer.concat(reading.parts), isWhole: true });
    this.#wake();
  }
}
