import { createHash } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { ChunkedReader } from './dataplane/chunked-reader.ts';
import { soon } from './dataplane/clock.ts';
import { resetSocket } from './dataplane/reset-socket.ts';
import { type Fault, type Ledger, type Plan, patternOf } from './fixture-soak-plan.ts';
import { pause } from './live-fixture.ts';

/** A request on its way in. */
interface Incoming {
  readonly plan: Plan | undefined;
  readonly times: number;
  readonly isUpgrade: boolean;
  readonly isChunked: boolean;
  left: number;
  readonly sum: ReturnType<typeof createHash>;
  bytes: number;
  isWhole: boolean;
  readonly whole: PromiseWithResolvers<void>;
}

/** A backend that does what each request's plan says, reads strictly, and writes down what should never have come. */
export class SoakBackend implements Disposable {
  readonly ledger: Ledger;
  readonly connections = new Set<BackendConnection>();
  #server = createServer({ allowHalfOpen: true });

  constructor(ledger: Ledger) {
    this.ledger = ledger;
  }

  async listen(): Promise<number> {
    this.#server.on('connection', (socket) => this.connections.add(new BackendConnection(this, socket)));
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  [Symbol.dispose](): void {
    for (const { socket } of this.connections) socket.destroy();
    this.#server.close();
  }
}

class BackendConnection {
  readonly socket: Socket;
  readonly #backend: SoakBackend;
  readonly #ledger: Ledger;
  #rest: Buffer = Buffer.alloc(0);
  #current: Incoming | undefined;
  readonly #chunks = new ChunkedReader();
  #queue: Incoming[] = [];
  #isAnswering = false;
  #isTunnel = false;
  /** Tokens of all requests that came. */
  readonly #seen: string[] = [];

  constructor(backend: SoakBackend, socket: Socket) {
    this.#backend = backend;
    this.#ledger = backend.ledger;
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      this.#backend.connections.delete(this);
      for (const { whole } of this.#queue) whole.resolve();
    });
  }

  #take(bytes: Buffer): void {
    if (this.#isTunnel) {
      this.#echo(bytes);
      return;
    }
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (!this.socket.destroyed && (this.#current === undefined ? this.#takeHead() : this.#takeBody(this.#current)));
    void this.#answerNext();
  }

  #takeHead(): boolean {
    const end = this.#rest.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const head = this.#rest.toString('latin1', 0, end + 2);
    this.#rest = this.#rest.subarray(end + 4);
    const [, method = '', token = ''] = /^(GET|HEAD|POST|PUT) \/(?:(?:alone|piped|changing|socket)\/(t[0-9a-z]+)|ready) HTTP\/1\.1\r\n/.exec(head) ?? [];
    const plan = this.#ledger.plans.get(token);
    const named = /^x-token: (.*)\r$/im.exec(head)?.[1];
    const isProbe = method === 'HEAD' && token === '';
    if (!isProbe && (plan === undefined || named !== token || plan.method !== method)) {
      this.#ledger.problem(`a backend got what is no request: ${JSON.stringify(head.slice(0, 300))}`);
      this.socket.destroy();
      return false;
    }
    const incoming: Incoming = {
      plan,
      times: plan === undefined ? 0 : this.#ledger.arrive(plan),
      isUpgrade: /^upgrade: websocket\r$/im.test(head),
      isChunked: /^transfer-encoding: chunked\r$/im.test(head),
      left: Number(/^content-length: (\d+)\r$/im.exec(head)?.[1] ?? 0),
      sum: createHash('md5'),
      bytes: 0,
      isWhole: false,
      whole: Promise.withResolvers(),
    };
    this.#queue.push(incoming);
    this.#seen.push(token);
    this.#current = incoming;
    this.#chunks.begin();
    if (/^expect: 100-continue\r$/im.test(head) && this.#queue.length === 1) this.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    return true;
  }

  #takeBody(incoming: Incoming): boolean {
    if (incoming.isChunked) {
      while (this.#rest.length > 0 && !this.#chunks.done) {
        const at = this.#chunks.read(this.#rest, 0, this.#rest.length);
        if (at < 0) {
          this.#ledger.problem(`a backend got a broken body: ${JSON.stringify(this.#rest.toString('latin1', 0, 60))}`, incoming.plan);
          this.socket.destroy();
          return false;
        }
        this.#add(incoming, this.#rest.subarray(this.#chunks.dataAt, this.#chunks.dataEnd));
        this.#rest = this.#rest.subarray(at);
      }
      if (!this.#chunks.done) return false;
    } else {
      const part = this.#rest.subarray(0, incoming.left);
      incoming.left -= part.length;
      this.#rest = this.#rest.subarray(part.length);
      this.#add(incoming, part);
      if (incoming.left > 0) return false;
    }
    if (incoming.plan !== undefined && incoming.bytes !== incoming.plan.uploadBytes)
      this.#ledger.problem(`a backend got ${incoming.bytes} bytes`, incoming.plan);
    incoming.isWhole = true;
    incoming.whole.resolve();
    this.#current = undefined;
    return true;
  }

  #add(incoming: Incoming, part: Buffer): void {
    const { plan } = incoming;
    incoming.sum.update(part);
    if (plan !== undefined && !part.equals(patternOf(plan.token, incoming.bytes + part.length).subarray(incoming.bytes)))
      this.#ledger.problem(`a backend got ${JSON.stringify(part.toString('latin1', 0, 40))} at ${incoming.bytes} of a body`, plan);
    incoming.bytes += part.length;
  }

  /** Answers in the order of the requests, one at a time. */
  async #answerNext(): Promise<void> {
    if (this.#isAnswering) return;
    this.#isAnswering = true;
    for (let [first] = this.#queue; first !== undefined && !this.socket.destroyed; [first] = this.#queue) {
      if (first.plan === undefined) this.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      else if (first.isUpgrade) this.#openTunnel();
      else await this.#answer(first, first.plan);
      this.#queue.shift();
    }
    this.#isAnswering = false;
  }

  async #answer(incoming: Incoming, plan: Plan): Promise<void> {
    if (!plan.isEarly && !incoming.isWhole) await incoming.whole.promise;
    if (plan.delayMs > 0) await pause(plan.delayMs);
    const { socket } = this;
    if (socket.destroyed) return;
    const fault = incoming.times <= plan.faultTimes ? plan.fault : 'none';
    if (fault === 'reset-before' || fault === 'end-before' || fault === 'silent') {
      await this.#break(fault === 'silent' ? 'stop' : fault === 'reset-before' ? 'reset' : 'end');
      return;
    }
    const status = fault === 'busy' ? 503 : plan.status;
    const hasBody = plan.method !== 'HEAD' && plan.status === 200;
    const closes = fault === 'says-close' || (hasBody && plan.framing === 'close');
    if (closes || fault === 'extra' || fault === 'closes') this.#blame();
    for (let i = 0; i < plan.informational; i++) socket.write(`HTTP/1.1 103 Early Hints\r\nLink: </${plan.token}>\r\n\r\n`);
    const sum = plan.isEarly ? '' : `X-Sum: ${incoming.sum.copy().digest('hex')}\r\n`;
    const framing =
      plan.framing === 'length' || fault === 'busy'
        ? `Content-Length: ${fault === 'busy' ? 0 : plan.answerBytes}\r\n`
        : plan.framing === 'chunked'
          ? 'Transfer-Encoding: chunked\r\n'
          : '';
    const head = `HTTP/1.1 ${status} Some Words\r\nX-Token: ${plan.token}\r\n${sum}${plan.status === 200 ? framing : ''}${closes ? 'Connection: close\r\n' : ''}\r\n`;
    socket.cork();
    socket.write(head);
    if (fault !== 'busy' && hasBody && !(await this.#writeBody(plan, fault))) return;
    if (fault === 'extra') socket.write(plan.service === 'alone' ? 'HTTP/1.1 200 OK\r\nX-Token: poison\r\nContent-Length: 6\r\n\r\npoison' : 'poison');
    socket.uncork();
    if (fault === 'closes' && plan.delayMs % 2 === 1) await pause(plan.delayMs);
    if (closes || fault === 'closes') await this.#break('end');
  }

  /** False if it broke off. */
  async #writeBody(plan: Plan, fault: Fault): Promise<boolean> {
    const { socket } = this;
    const body = patternOf(plan.token, plan.answerBytes);
    const isSmall = fault === 'extra';
    const size = isSmall ? body.length : Math.ceil(body.length / plan.parts);
    for (let at = 0, part = 0; at < body.length; at += size, part++) {
      if (part > 0 && part === Math.ceil(plan.parts / 2) && (fault === 'reset-within' || fault === 'end-within' || fault === 'stops-within')) {
        socket.uncork();
        await pause(2);
        await this.#break(fault === 'stops-within' ? 'stop' : fault === 'end-within' ? 'end' : 'reset');
        return false;
      }
      const piece = body.subarray(at, at + size);
      if (plan.framing === 'chunked') socket.write(`${piece.length.toString(16)}\r\n`);
      socket.write(piece);
      if (plan.framing === 'chunked') socket.write('\r\n');
      if (isSmall || at + size >= body.length) continue;
      socket.uncork();
      if (plan.delayMs > 0 && part < 4) await pause(1);
      else await new Promise<void>((resolve) => soon(resolve));
      if (socket.destroyed) return false;
      socket.cork();
    }
    if (plan.framing === 'chunked') socket.write('0\r\n\r\n');
    return true;
  }

  #blame(isSilent = false): void {
    for (const { plan } of this.#queue) {
      if (plan === undefined) continue;
      this.#ledger.broken.add(plan.token);
      if (isSilent) this.#ledger.silent.add(plan.token);
    }
  }

  async #break(how: 'reset' | 'end' | 'stop'): Promise<void> {
    this.#blame(how === 'stop');
    const { socket } = this;
    if (how === 'reset') {
      // It overtakes answers before it that were not read yet.
      for (const token of this.#seen) this.#ledger.broken.add(token);
      resetSocket(socket);
    } else if (how === 'end') {
      socket.end();
      this.#isTunnel = true;
    }
    if (how !== 'reset' && !socket.destroyed) await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    this.#blame(how === 'stop');
  }

  #openTunnel(): void {
    this.#isTunnel = true;
    this.socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    if (rest.length > 0) this.#echo(rest);
  }

  #echo(bytes: Buffer): void {
    const { socket } = this;
    // After its end what comes is nobody's.
    if (!socket.writable || socket.writableEnded || socket.write(bytes)) return;
    socket.pause();
    socket.once('drain', () => socket.resume());
  }
}
