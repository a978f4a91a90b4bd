import type { SpecIssue } from '#model/spec-issues';
import type { PublicListener } from '../public-listeners.ts';
import type { GatewayInput } from './config-schema.ts';
import { addressOf, formatAddress } from './config-values.ts';

type ListenerInput = Exclude<GatewayInput['listen'], readonly unknown[]>;

/** Where the gateway listens, by a file that was checked. */
export function listenersOf({ listen }: GatewayInput): readonly PublicListener[] {
  return (Array.isArray(listen) ? listen : [listen]).map((given) => (typeof given === 'string' ? { address: addressOf(given) } : listenerOf(given)));
}

function listenerOf({ address, proxyProtocol }: Exclude<ListenerInput, string>): PublicListener {
  return { address: addressOf(address), ...(proxyProtocol === undefined ? {} : { settings: { proxyFrom: proxyProtocol } }) };
}

/** Addresses that are given twice. */
export function listenerIssues(input: GatewayInput): readonly SpecIssue[] {
  const issues: SpecIssue[] = [];
  const seen = new Set<string>();
  const taken = (text: string, path: readonly string[]) => {
    const address = addressOf(text);
    const written = formatAddress(address);
    if (address.port !== 0 && seen.has(written)) issues.push({ path, message: `is ${written} once more` });
    seen.add(written);
  };
  const listeners = Array.isArray(input.listen) ? input.listen : [input.listen];
  listeners.forEach((given, index) => {
    taken(typeof given === 'string' ? given : given.address, Array.isArray(input.listen) ? ['listen', String(index)] : ['listen']);
  });
  if (input.admin !== undefined) taken(input.admin, ['admin']);
  return issues;
}
