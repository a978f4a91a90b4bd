import { messageOf, PlatformError } from '#base/errors';
import type { NetworkRequest, NetworkResponse, ServedRequest } from '../world.ts';
import { ByteStream } from './byte-stream.ts';
import type { Generator } from './generator.ts';
import type { Life } from './life.ts';
import type { Lane, Listener, NetworkHost, SwitchBoard } from './switch-board.ts';

/** After so long without a sign of the other host a connection counts as broken. */
const keepAliveMs = 60_000;

export interface ConnectionParts {
  readonly board: SwitchBoard;
  readonly generator: Generator;
  readonly client: Life;
  readonly clientHost: NetworkHost;
  readonly serverHost: NetworkHost;
  /** For messages: `GET node-1:7000/path`. */
  readonly target: string;
}

/**
 * One request and its response between two lives. All that the two ends share is copied bytes.
 * C1: once over, the client hears nothing more; the server hears only that the client has gone.
 * C2: code of either end runs only in that end's life.
 */
export class Connection {
  readonly head = Promise.withResolvers<NetworkResponse>();
  readonly #parts: ConnectionParts;
  readonly #requestBody: ByteStream;
  readonly #responseBody: ByteStream;
  readonly #clientGone = new AbortController();
  readonly #upward: Lane = { notBeforeMs: 0 };
  readonly #downward: Lane = { notBeforeMs: 0 };
  readonly #owned: Disposable[] = [];
  #server: Life | undefined;
  #isOver = false;
  #isSilent = false;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    const { client } = parts;
    this.#requestBody = new ByteStream({ onLeft: () => undefined, inWriter: (callback) => void client.deliver(0, callback) });
    this.#responseBody = new ByteStream({ onLeft: () => this.#hangUp(), inWriter: (callback) => void this.#server?.deliver(0, callback) });
    this.own(client.onEnd(() => this.#hangUp()));
  }

  /** Disposed when the connection is over. */
  own(resource: Disposable): void {
    if (this.#isOver) resource[Symbol.dispose]();
    else this.#owned.push(resource);
  }

  /** From the client: asks for the port's listener, then sends the request and its body. */
  open(port: number, request: NetworkRequest): void {
    const { serverHost, clientHost, target } = this.#parts;
    this.#toServer(() => {
      const listener = serverHost.listeners.get(port);
      if (!listener || (listener.isLocalOnly && serverHost !== clientHost)) {
        this.#toClient(() => this.fail(new PlatformError('UNAVAILABLE', `Cannot ${target}, because nothing listens there`)));
        return;
      }
      this.#accept(listener, request);
    });
    void this.#sendBody(request.body);
  }

  /** From the client: like `open`, but the kernel of the other side answers it, even for a program that is paused. */
  probe(port: number): void {
    this.#toServer(() => {
      const listener = this.#parts.serverHost.listeners.get(port);
      const isThere = listener !== undefined && (!listener.isLocalOnly || this.#parts.serverHost === this.#parts.clientHost);
      this.#toClient(() => {
        if (isThere) this.#answerProbe();
        else this.fail(new PlatformError('UNAVAILABLE', `Cannot ${this.#parts.target}, because nothing listens there`));
      });
    });
  }

  /** At the client: ends with this error and tells the server that the client has gone. */
  fail(error: PlatformError): void {
    if (this.#isOver) return;
    this.head.reject(error);
    this.#responseBody.fail(error);
    this.#hangUp();
  }

  #accept(listener: Listener, request: NetworkRequest): void {
    const server = listener.life;
    this.#server = server;
    this.own(server.onEnd(() => this.#serverEnded()));
    const headers = lowerCase(request.headers ?? {});
    server.deliver(0, () => {
      void this.#serve(listener, { method: request.method, path: request.path, headers, body: this.#requestBody, signal: this.#clientGone.signal });
    });
  }

  async #serve(listener: Listener, request: ServedRequest): Promise<void> {
    const response = await this.#handle(listener, request);
    this.#toClient(() => this.head.resolve({ status: response.status, headers: lowerCase(response.headers), body: this.#responseBody }));
    try {
      await pump(response.body, this.#responseBody, (callback) => this.#toClient(callback));
      this.#toClient(() => {
        this.#responseBody.end();
        this.#close();
      });
    } catch (error) {
      this.#tellOperator(error);
      this.#toClient(() => {
        this.#responseBody.fail(new PlatformError('UNAVAILABLE', `Cannot ${this.#parts.target}, because the server broke off`));
        this.#close();
      });
    }
  }

  async #handle(listener: Listener, request: ServedRequest): Promise<NetworkResponse> {
    try {
      return await listener.handler(request);
    } catch (error) {
      this.#tellOperator(error);
      return { status: 500, headers: {}, body: noBytes() };
    }
  }

  #tellOperator(error: unknown): void {
    if (this.#isOver || this.#server?.isEnded) return;
    this.#parts.board.note(`${this.#parts.serverHost.name} failed to answer ${this.#parts.target}: ${messageOf(error)}`);
  }

  async #sendBody(body: NetworkRequest['body']): Promise<void> {
    try {
      await pump(body, this.#requestBody, (callback) => this.#toServer(callback));
      this.#toServer(() => this.#requestBody.end());
    } catch (error) {
      this.fail(new PlatformError('UNAVAILABLE', `Cannot ${this.#parts.target}, because its body failed: ${messageOf(error)}`, {}, { cause: error }));
    }
  }

  #answerProbe(): void {
    this.#responseBody.end();
    this.head.resolve({ status: 200, headers: {}, body: this.#responseBody });
    this.#close();
  }

  #serverEnded(): void {
    const reset = (): void => this.fail(new PlatformError('UNAVAILABLE', `Cannot ${this.#parts.target}, because the connection was reset`));
    // The kernel of a dead host says nothing any more.
    if (this.#parts.serverHost.life) this.#toClient(reset);
    else this.#parts.client.deliver(keepAliveMs, reset);
  }

  #hangUp(): void {
    if (this.#isOver) return;
    const tellServer = () => {
      const gone = new PlatformError('ABORTED', 'The client has gone');
      this.#requestBody.fail(gone);
      this.#clientGone.abort(gone);
    };
    if (this.#parts.clientHost.life) this.#toServer(tellServer);
    else this.#server?.deliver(keepAliveMs, tellServer);
    this.#close();
  }

  #close(): void {
    this.#isOver = true;
    for (const one of this.#owned.splice(0)) one[Symbol.dispose]();
  }

  #toClient(callback: () => void): void {
    const { board, client, clientHost, serverHost } = this.#parts;
    if (this.#isSilent || !serverHost.life) return;
    const outcome = board.transmit(serverHost, clientHost, this.#downward, (delayMs) => {
      client.deliver(delayMs, () => {
        if (!this.#isOver) callback();
      });
    });
    if (outcome === 'lost') this.#lose();
  }

  #toServer(callback: () => void): void {
    const { board, clientHost, serverHost } = this.#parts;
    if (this.#isSilent || !clientHost.life || this.#isOver) return;
    const outcome = board.transmit(clientHost, serverHost, this.#upward, (delayMs) => {
      // First into the host, which may be another incarnation by then or none, then into the program, which may be paused or have ended.
      serverHost.life?.deliver(delayMs, () => {
        if (this.#server) this.#server.deliver(0, callback);
        else callback();
      });
    });
    if (outcome === 'lost') this.#lose();
  }

  #lose(): void {
    this.#isSilent = true;
    const { client, generator, target } = this.#parts;
    const delayMs = generator.chance(0.5) ? generator.between(0, 5) : keepAliveMs;
    client.deliver(delayMs, () => this.fail(new PlatformError('UNAVAILABLE', `Cannot ${target}, because the connection was reset`)));
    this.#server?.deliver(delayMs, () => {
      const gone = new PlatformError('ABORTED', 'The client has gone');
      this.#requestBody.fail(gone);
      this.#clientGone.abort(gone);
    });
  }
}

async function* noBytes(): AsyncGenerator<Uint8Array, void, undefined> {}

async function pump(source: NetworkRequest['body'], sink: ByteStream, send: (callback: () => void) => void): Promise<void> {
  if (!source) return;
  for await (const chunk of source instanceof Uint8Array ? [source] : source) {
    await sink.room();
    if (!sink.isOpen) break;
    const copy = chunk.slice();
    sink.depart();
    send(() => sink.arrive(copy));
  }
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
