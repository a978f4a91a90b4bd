import { connect, isIP } from 'node:net';
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import type { Address } from '../world.ts';

/** A connection that is made only to see whether somebody accepts it. */
export interface TcpAttempt {
  /** Resolves once it was accepted; rejects with what the system says otherwise. Closed before, it may reject or stay open. */
  readonly accepted: Promise<void>;
  close(): void;
}

/**
 * The part of Node below its sockets. It is not documented, so its use has a fallback: a gateway checks a thousand backends every two seconds, and a socket with its
 * streams is half of what a check costs.
 */
interface TcpBinding {
  readonly TCP: new (type: number) => TcpHandle;
  readonly TCPConnectWrap: new () => { oncomplete?: (status: number) => void };
  readonly constants: { readonly SOCKET: number };
}

interface TcpHandle {
  connect(request: object, host: string, port: number): number;
  connect6(request: object, host: string, port: number): number;
  close(): void;
}

const binding = knownBinding();

/** Begins to connect. The host may be a name. */
export function attemptTcp(address: Address): TcpAttempt {
  const version = isIP(address.host);
  // An address with a zone (`fe80::1%eth0`) is for Node to understand.
  return binding === undefined || version === 0 || address.host.includes('%') ? attemptBySocket(address) : attemptByHandle(binding, address, version);
}

function attemptByHandle({ TCP, TCPConnectWrap, constants }: TcpBinding, { host, port }: Address, version: number): TcpAttempt {
  const { promise: accepted, resolve, reject } = Promise.withResolvers<void>();
  const handle = new TCP(constants.SOCKET);
  const request = new TCPConnectWrap();
  const complete = (status: number) => {
    if (status === 0) resolve();
    else reject(new Error(`${getSystemErrorMessage(status)} (${getSystemErrorName(status)})`));
  };
  request.oncomplete = complete;
  const status = version === 6 ? handle.connect6(request, host, port) : handle.connect(request, host, port);
  if (status !== 0) complete(status);
  return { accepted, close: () => handle.close() };
}

function attemptBySocket({ host, port }: Address): TcpAttempt {
  const { promise: accepted, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host, port }, resolve);
  socket.once('error', reject);
  return { accepted, close: () => socket.destroy() };
}

function knownBinding(): TcpBinding | undefined {
  try {
    const { TCP, TCPConnectWrap, constants } = (process as unknown as { binding(name: string): Partial<TcpBinding> }).binding('tcp_wrap');
    const isKnown = typeof TCP?.prototype.connect === 'function' && typeof TCP.prototype.connect6 === 'function' && typeof TCPConnectWrap === 'function';
    return isKnown && typeof constants?.SOCKET === 'number' ? { TCP, TCPConnectWrap, constants } : undefined;
  } catch {
    return undefined;
  }
}
