import { messageOf, PlatformError } from '#base/errors';
import { onAbort } from '#base/signal';
import type { Address, Network, NetworkRequest, NetworkResponse, NetworkServer, ServedRequest } from '../world.ts';
import { Connection } from './connection.ts';
import type { Generator } from './generator.ts';
import type { Life } from './life.ts';
import type { NetworkHost, SwitchBoard } from './switch-board.ts';

type RequestOptions = { readonly timeoutMs: number; readonly signal?: AbortSignal };

const firstFreePort = 20_000;

/** One program's view of the simulated network. Hosts are reached by name or ip; `127.0.0.1` and `localhost` are the own host. */
export class SimulatedNetwork implements Network {
  readonly #parts: { readonly board: SwitchBoard; readonly generator: Generator; readonly life: Life; readonly host: NetworkHost };

  constructor(parts: { readonly board: SwitchBoard; readonly generator: Generator; readonly life: Life; readonly host: NetworkHost }) {
    this.#parts = parts;
  }

  async request(address: Address, request: NetworkRequest, options: RequestOptions): Promise<NetworkResponse> {
    const target = `${request.method} ${address.host}:${address.port}${request.path.split('?')[0]}`;
    return await this.#connect(address, target, options, (connection) => connection.open(address.port, request));
  }

  async probe(address: Address, options: RequestOptions): Promise<void> {
    const target = `connect to ${address.host}:${address.port}`;
    await this.#connect(address, target, options, (connection) => connection.probe(address.port));
  }

  async serve(address: Address, handler: (request: ServedRequest) => Promise<NetworkResponse>): Promise<NetworkServer> {
    const { host, life } = this.#parts;
    return await life.answer(0, () => {
      let { port } = address;
      if (port === 0) for (port = firstFreePort; host.listeners.has(port); port++);
      if (host.listeners.has(port)) {
        throw new PlatformError('LOCKED', `Cannot listen on ${address.host}:${port}, because another process has the port`, { ...address });
      }
      const serving = life.child();
      serving.onEnd(() => host.listeners.delete(port));
      host.listeners.set(port, { life: serving, handler, isLocalOnly: isLoopback(address.host) });
      return { address: { host: address.host, port }, [Symbol.asyncDispose]: async () => serving.end() };
    });
  }

  async #connect(address: Address, target: string, options: RequestOptions, start: (connection: Connection) => void): Promise<NetworkResponse> {
    const { board, generator, life, host } = this.#parts;
    const aborted = () =>
      new PlatformError('ABORTED', `Cannot ${target}, because the caller gave up: ${messageOf(options.signal?.reason)}`, {}, { cause: options.signal?.reason });
    if (options.signal?.aborted) throw aborted();
    const serverHost = isLoopback(address.host) ? host : board.find(address.host);
    if (!serverHost) {
      return await life.answer(1, () => {
        throw new PlatformError('UNAVAILABLE', `Cannot ${target}, because no host has this name`, { ...address });
      });
    }
    const connection = new Connection({ board, generator, client: life, clientHost: host, serverHost, target });
    connection.own(onAbort(options.signal, () => connection.fail(aborted())));
    using _timer = life.deliver(options.timeoutMs, () => {
      connection.fail(
        new PlatformError('TIMEOUT', `Cannot ${target}, because no answer came within ${options.timeoutMs} ms`, { ...address, timeoutMs: options.timeoutMs }),
      );
    });
    start(connection);
    return await connection.head.promise;
  }
}

function isLoopback(host: string): boolean {
  return host === '127.0.0.1' || host === 'localhost' || host === '::1';
}
