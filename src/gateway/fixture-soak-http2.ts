import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import { after, every } from './dataplane/clock.ts';
import { judgeAnswer, judgeSilence } from './fixture-soak-answer.ts';
import { drained, type SoakConnection, type SoakDoor } from './fixture-soak-door.ts';
import { type Ledger, type Luck, type Plan, patternOf } from './fixture-soak-plan.ts';
import { pause } from './live-fixture.ts';

/** Longer than a request waits for a backend and that for its answer. */
const longestMs = 16_000;
const lookMs = 50;
const cancel = 8;

/** One HTTP/2 connection: many requests at once, some of them reset, some read slowly or not at all for a while, with windows of any size. */
export class SoakHttp2Client {
  readonly #ledger: Ledger;
  readonly #luck: Luck;
  readonly #connection: SoakConnection;
  readonly #session: ClientHttp2Session;
  #hasLeft = false;

  constructor(ledger: Ledger, luck: Luck, door: SoakDoor) {
    this.#ledger = ledger;
    this.#luck = luck;
    // With smaller windows a client would be taken for one that floods.
    const initialWindowSize = luck.pick([3_000, 10_000, 65_535, 1_000_000]);
    const connection = door.open(luck, 'h2');
    this.#connection = connection;
    this.#session = connect('http://a', { createConnection: () => connection.socket, settings: { initialWindowSize, enablePush: false } });
    this.#session.on('error', () => this.#lost('an error'));
    this.#session.on('goaway', (code) => this.#lost(`code ${code}`));
  }

  #lost(why: string): void {
    if (this.#hasLeft) return;
    this.#ledger.problem(`a connection of HTTP/2 ended with ${why}`);
    this.#hasLeft = true;
  }

  /** Resolves once every request was judged. */
  async run(): Promise<void> {
    const luck = this.#luck;
    const over = new Promise<void>((resolve) => this.#session.once('close', resolve));
    if (luck.isOneIn(6)) void this.#leaveLater(luck.below(60));
    const count = 1 + luck.below(luck.isOneIn(3) ? 30 : 5);
    const requests: Promise<void>[] = [];
    for (let i = 0; i < count && !this.#session.destroyed && !this.#session.closed; i++) {
      requests.push(this.#ask(this.#ledger.draw(luck)));
      if (luck.isOneIn(3)) await pause(luck.below(8));
    }
    await Promise.all(requests);
    this.#session.destroy();
    await over;
  }

  async #leaveLater(delayMs: number): Promise<void> {
    await pause(delayMs);
    this.#hasLeft = true;
    if (this.#luck.isOneIn(3)) this.#connection.reset();
    this.#session.destroy();
  }

  async #ask(plan: Plan): Promise<void> {
    const luck = this.#luck;
    const { token, method, service, upload, uploadBytes } = plan;
    const isReset = luck.isOneIn(6);
    const length = upload === 'length' ? { 'content-length': String(uploadBytes) } : {};
    const stream = this.#session.request(
      { ':method': method, ':path': `/${service}/${token}`, 'x-token': token, ...length },
      // Node says that a stream ends before it resets it, unless trailers are to come.
      { endStream: upload === 'none', waitForTrailers: isReset },
    );
    let fields: IncomingHttpHeaders | undefined;
    let isWhole = false;
    const parts: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('headers', (hints) => {
      if (hints[':status'] === 103 && !String(hints['link']).includes(token)) this.#ledger.problem(`got hints of another: ${hints['link']}`, plan);
    });
    stream.on('response', (its) => {
      fields = its;
    });
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('end', () => {
      isWhole = true;
    });
    const over = new Promise<void>((resolve) => stream.once('close', resolve));
    // Node's client never closes a stream whose upload was stopped by its server while it waited for the window.
    using _look = every(lookMs, () => {
      if (stream.closed && stream.readableEnded) stream.destroy();
    });
    using _stuck = after(longestMs, () => {
      this.#ledger.problem(`nothing for ${longestMs} ms over HTTP/2`, plan);
      stream.close(cancel);
    });
    if (isReset) void pause(luck.below(luck.isOneIn(3) ? 100 : 10)).then(() => stream.close(cancel));
    if (luck.isOneIn(6)) void this.#stall(stream, luck.below(60));
    if (upload !== 'none') void this.#upload(stream, patternOf(token, uploadBytes));
    await over;
    if (isReset || this.#hasLeft) return;
    if (fields === undefined) judgeSilence(this.#ledger, plan, `its stream ended with ${stream.rstCode}`);
    else {
      const named = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)]));
      // Node tells the reset that stops an upload behind a whole answer as if it had cut off the answer.
      const isCut = !isWhole || (stream.aborted && upload === 'none') || (stream.rstCode ?? 0) !== 0;
      judgeAnswer(this.#ledger, plan, { status: Number(fields[':status']), fields: named, body: Buffer.concat(parts), isWhole: !isCut });
    }
  }

  /** Takes nothing for a while. */
  async #stall(stream: ClientHttp2Stream, forMs: number): Promise<void> {
    await pause(this.#luck.below(10));
    stream.pause();
    await pause(forMs);
    stream.resume();
  }

  async #upload(stream: ClientHttp2Stream, body: Buffer): Promise<void> {
    const luck = this.#luck;
    for (let at = 0; at < body.length && !stream.destroyed && stream.writable; ) {
      const size = 1 + luck.below(luck.isOneIn(4) ? 500 : 60_000);
      const isTaken = stream.write(body.subarray(at, at + size));
      at += size;
      if (!isTaken) await drained(stream);
      if (luck.isOneIn(6)) await pause(luck.below(8));
    }
    if (!stream.destroyed && stream.writable) stream.end();
  }
}
