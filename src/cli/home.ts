import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { PlatformError } from '#base/errors';
import type { Address } from '#world/world';

const DEFAULT_PORT_BASE = 7_700;
const LOOPBACK = '127.0.0.1';
const GATEWAY_OFFSET = 80;
const HTTPS_OFFSET = 82;
/** Those above 1024. */
const BAD_PORTS = new Set([1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080]);

/** Where one cluster on this machine keeps its files and listens. */
export interface Home {
  readonly directory: string;
  readonly portBase: number;
}

/** `$HAVEN_HOME` (default `~/.haven`) and `$HAVEN_PORT_BASE` (default 7700). INVALID for a port base that leaves no room. */
export function homeOf(environment: Readonly<Record<string, string | undefined>>): Home {
  const text = environment['HAVEN_PORT_BASE'];
  const portBase = text === undefined ? DEFAULT_PORT_BASE : Number(text);
  if (!Number.isInteger(portBase) || portBase < 1_024 || portBase > 65_000) {
    throw new PlatformError(
      'INVALID',
      `Cannot use HAVEN_PORT_BASE=${text}, because it is not a whole number from 1024 to 65000. Next: choose one, such as ${DEFAULT_PORT_BASE}`,
    );
  }
  const refused = portsOfClients(portBase).find((port) => BAD_PORTS.has(port));
  if (refused !== undefined) {
    throw new PlatformError(
      'INVALID',
      `Cannot use HAVEN_PORT_BASE=${portBase}, because one of its ports would be ${refused}, which browsers and fetch refuse to open. Next: choose another`,
    );
  }
  return { directory: directoryOf(environment), portBase };
}

/** Where a gateway without a cluster keeps what it has to keep, unless its file says: what systemd made for it, else a folder in `$HAVEN_HOME`. */
export function gatewayStateOf(environment: Readonly<Record<string, string | undefined>>): string {
  const [given = ''] = (environment['STATE_DIRECTORY'] ?? '').split(':');
  return given === '' ? join(directoryOf(environment), 'gateway') : given;
}

function directoryOf(environment: Readonly<Record<string, string | undefined>>): string {
  return resolve(environment['HAVEN_HOME'] ?? join(homedir(), '.haven'));
}

/** True if the API or the gateway of this port base would listen where no browser goes (WHATWG Fetch, "bad port", https://fetch.spec.whatwg.org/#port-blocking). */
export function isRefusedByBrowsers(portBase: number): boolean {
  return portsOfClients(portBase).some((port) => BAD_PORTS.has(port));
}

function portsOfClients(portBase: number): readonly number[] {
  return [0, GATEWAY_OFFSET, HTTPS_OFFSET].map((offset) => portBase + offset);
}

/** Fixed offsets from the port base, so that a cluster's addresses can be guessed and two clusters kept apart. */
export function addressesOf(home: Home): { readonly api: Address; readonly gateway: Address; readonly gatewayAdmin: Address } {
  const at = (offset: number): Address => ({ host: LOOPBACK, port: home.portBase + offset });
  return { api: at(0), gateway: at(GATEWAY_OFFSET), gatewayAdmin: at(GATEWAY_OFFSET + 1) };
}

/** Where the gateway serves routes with `tls: internal`: listened at only while there are such routes. */
export function httpsAddressOf(home: Home): Address {
  return { host: LOOPBACK, port: home.portBase + HTTPS_OFFSET };
}

/** Ports of the gateway's internal listeners: first and last. */
export function internalPortsOf(home: Home): { readonly first: number; readonly last: number } {
  return { first: home.portBase + 100, last: home.portBase + 299 };
}

const FIRST_INSTANCE_PORT = 20_000;
const INSTANCE_PORT_SPAN = 12_000;
const INSTANCE_PORTS_PER_NODE = 400;

/** Ports of all instances of a cluster: below 32768, where Linux takes the ports of outgoing connections from unless told otherwise. */
export const INSTANCE_PORTS = { first: FIRST_INSTANCE_PORT, last: FIRST_INSTANCE_PORT + INSTANCE_PORT_SPAN + INSTANCE_PORTS_PER_NODE - 1 } as const;

/** Ports of the instances of local node number `index` (from 1): first and last. Nodes whose ports overlap take turns: an agent tries a port before it gives it away. */
export function instancePortsOf(home: Home, index: number): { readonly first: number; readonly last: number } {
  // Clusters with another base shift by as much, so that two of them on one machine rarely try the same port.
  const shift = home.portBase - DEFAULT_PORT_BASE + INSTANCE_PORTS_PER_NODE * index;
  const first = FIRST_INSTANCE_PORT + (((shift % INSTANCE_PORT_SPAN) + INSTANCE_PORT_SPAN) % INSTANCE_PORT_SPAN);
  return { first, last: first + INSTANCE_PORTS_PER_NODE - 1 };
}

export const pathsOf = (home: Home) =>
  ({
    run: join(home.directory, 'run'),
    logs: join(home.directory, 'logs'),
    store: join(home.directory, 'store'),
    artifacts: join(home.directory, 'artifacts'),
    clusterKey: join(home.directory, 'cluster.key'),
    token: join(home.directory, 'token'),
    authority: join(home.directory, 'authority'),
    supervisor: join(home.directory, 'run', 'supervisor.json'),
    node: (node: string) => join(home.directory, 'nodes', node),
    gateway: (gateway: string) => join(home.directory, 'gateways', gateway),
  }) as const;
