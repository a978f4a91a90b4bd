import { hostname, networkInterfaces } from 'node:os';

/** What clients may call a gateway that has no host names: where it listens. */
export interface Machine {
  readonly hostname: string;
  /** Of its interfaces, without a zone. */
  readonly addresses: readonly string[];
}

const ANY = new Set(['0.0.0.0', '::']);
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const LINK_LOCAL = /^(?:fe[89ab]|169\.254\.)/i;
/** Containers may give a machine hundreds of addresses. */
const mostAddresses = 32;

/** This one. */
export function thisMachine(): Machine {
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map(({ address }) => address));
  return { hostname: hostname().toLowerCase(), addresses };
}

/** The names of who listens at `host`: localhost and that address; at any address also the machine's name and all addresses it has. */
export function namesOfListener(host: string, machine: Machine): readonly string[] {
  if (!ANY.has(host)) return ['localhost', host];
  const own = HOST_NAME.test(machine.hostname) ? [machine.hostname] : [];
  const addresses = machine.addresses.filter((address) => !LINK_LOCAL.test(address)).slice(0, mostAddresses);
  return [...new Set(['localhost', ...own, '127.0.0.1', ...addresses])];
}
