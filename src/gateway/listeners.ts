import net from 'node:net';
import { PlatformError } from '#base/errors';
import type { Address } from '#world/world';

/** A bound port that no process accepts on until a worker is given it. */
export interface ListeningHandle {
  close(): void;
  getsockname(out: { address?: string; port?: number }): number;
}

type HandleMaker = (host: string, port: number, family: 4 | 6) => ListeningHandle | number;

/** What the system says, as `errno` of Linux. */
const SYSTEM = { notPermitted: -13, addressInUse: -98, noSuchAddress: -99 } as const;
const lowPorts = 1_024;

/** A handle that was bound by us or by the process before us. */
export interface Bound {
  readonly handle: ListeningHandle;
  readonly address: Address;
}

/** What the process before us bound for it, else what `bindListener` gives. */
export function takeListener(inherited: Map<string, ListeningHandle> | undefined, id: string, address: Address): Bound {
  const handle = inherited?.get(id);
  if (handle === undefined) return bindListener(address);
  inherited?.delete(id);
  const bound: { port?: number } = {};
  handle.getsockname(bound);
  return { handle, address: { host: address.host, port: bound.port ?? address.port } };
}

/**
 * Binds a port without accepting on it. The parent keeps it, workers accept on it: while a worker is replaced, connections wait in the kernel and none is refused.
 *
 * `net.Server` would begin to accept in this process. Node's `cluster` module has the same need, and this is the function it uses.
 * LOCKED if the port is in use; INVALID if the host is not an address of this machine, or the port may not be had. Both say what to do next.
 */
export function bindListener(address: Address): Bound {
  const host = address.host === 'localhost' ? '127.0.0.1' : address.host;
  const family = net.isIP(host);
  if (family !== 4 && family !== 6)
    throw new PlatformError('INVALID', `Cannot listen on "${address.host}", because it is not an IP address`, { host: address.host });
  const make = (net as unknown as { _createServerHandle: HandleMaker })._createServerHandle;
  const handle = make(host, address.port, family);
  const bound: { port?: number } = {};
  // That a port is in use is told when it is first asked for, not by binding.
  const problem = typeof handle === 'number' ? handle : handle.getsockname(bound);
  if (typeof handle === 'number' || problem !== 0) {
    if (typeof handle !== 'number') handle.close();
    const system = Number(problem);
    const { why, next } = explained(system, address.port);
    const code = system === SYSTEM.addressInUse ? 'LOCKED' : 'INVALID';
    const where = family === 6 ? `[${host}]:${address.port}` : `${host}:${address.port}`;
    throw new PlatformError(code, `Cannot listen on ${where}, because ${why}`, { host, port: address.port, system, next });
  }
  return { handle, address: { host, port: bound.port ?? address.port } };
}

function explained(system: number, port: number): { readonly why: string; readonly next: string } {
  switch (system) {
    case SYSTEM.addressInUse:
      return { why: 'another program listens there', next: `end it ("ss -ltnp sport = :${port}" shows which), or take another port` };
    case SYSTEM.noSuchAddress:
      return { why: 'this machine does not have that address', next: 'take one that "ip address" shows, or 0.0.0.0 or [::] for all' };
    case SYSTEM.notPermitted:
      if (port < lowPorts)
        return {
          why: `ports below ${lowPorts} are for programs that have the right to them`,
          next: 'give it CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities), or take a higher port',
        };
      break;
  }
  return { why: `the system refused it (errno ${-system})`, next: 'take another address' };
}
