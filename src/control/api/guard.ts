import { PlatformError } from '#base/errors';
import type { Address } from '#world/world';
import { describe, type Principal } from './access.ts';

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]', '::1']);

/** True for an address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host) || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/**
 * DENIED if a browser was led here: the name in `host` must be this server's, and a page that asks must come from this server. A page elsewhere
 * can make its own name point to this machine (DNS rebinding), but not choose these headers.
 */
export function checkOrigin(headers: { readonly host?: string | undefined; readonly origin?: string | undefined }, address: Address): void {
  const host = headers.host ?? '';
  const [name = ''] = host.startsWith('[') ? [host.slice(0, host.indexOf(']') + 1)] : host.split(':');
  if (!LOOPBACK.has(name) && name !== address.host) {
    throw new PlatformError('DENIED', `Cannot answer for host "${host.slice(0, 80)}", because it is not this server's`, {
      next: `use ${address.host}:${address.port}`,
    });
  }
  const { origin } = headers;
  if (origin !== undefined && origin !== `http://${host}`) {
    throw new PlatformError('DENIED', `Cannot answer a page of "${origin.slice(0, 80)}", because it is not this server's`);
  }
}

/** DENIED unless the principal's role is one of those. */
export function checkRole(principal: Principal, roles: readonly Principal['kind'][]): void {
  if (roles.includes(principal.kind)) return;
  throw new PlatformError('DENIED', `Cannot do this as ${describe(principal)}, because it is for ${roles.join(' and ')}`, { role: principal.kind });
}
