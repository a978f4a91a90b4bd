import { connect, isIP } from 'node:net';
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import type { Address } from '../world.ts';
import { HalfConnects } from './half-connect.ts';

/** A connection that is made only to see whether somebody accepts it. */
export interface TcpAttempt {
  /** Resolves once somebody would accept it; rejects with what the system says otherwise. Closed before, it may reject or stay open. */
  readonly accepted: Promise<void>;
  /** Whether that was known at once. */
  readonly isOver: boolean;
  close(): void;
}

let halfConnects: HalfConnects | undefined;
let isHalfKnown = false;

/** Begins to connect, halfway where that can be done. The host may be a name. */
export function attemptTcp(address: Address): TcpAttempt {
  const version = isIP(address.host);
  // An address with a zone (`fe80::1%eth0`) is for Node to understand.
  if ((version !== 4 && version !== 6) || address.host.includes('%')) return attemptBySocket(address);
  if (!isHalfKnown) halfConnects = knownHalfConnects();
  isHalfKnown = true;
  return halfConnects === undefined ? attemptBySocket(address) : attemptHalf(halfConnects, address, version);
}

function attemptHalf(connects: HalfConnects, address: Address, version: 4 | 6): TcpAttempt {
  const { promise: accepted, resolve, reject } = Promise.withResolvers<void>();
  const attempt = connects.begin(address, version, (result) => {
    if (result === 0) resolve();
    else reject(new Error(`${getSystemErrorMessage(result)} (${getSystemErrorName(result)})`));
  });
  return { accepted, isOver: attempt === undefined, close: () => attempt?.[Symbol.dispose]() };
}

function attemptBySocket({ host, port }: Address): TcpAttempt {
  const { promise: accepted, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host, port }, resolve);
  socket.once('error', reject);
  return { accepted, isOver: false, close: () => socket.destroy() };
}

function knownHalfConnects(): HalfConnects | undefined {
  try {
    return new HalfConnects();
  } catch {
    return undefined;
  }
}
