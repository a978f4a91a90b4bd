import type { AppSpec } from '#model/spec';
import type { SpecIssue } from '#model/spec-issues';
import { balanceIssue, makeBalancer } from './balancers.ts';

/** The services whose balance policy this version cannot use. The model only knows the form of a policy, because it lies below the policies. */
export function balanceIssuesOf(spec: AppSpec): readonly SpecIssue[] {
  return Object.values(spec.services).flatMap(({ name, balance, tcpPorts }) => {
    if (balance === undefined) return [];
    const why = balanceIssue(balance) ?? (tcpPorts === undefined ? undefined : requestlessIssue(balance));
    return why === undefined ? [] : [{ path: [name, 'balance'], message: `cannot be used: ${why}` }];
  });
}

/** Why a policy cannot pick backends for connections that are carried as they are; `undefined` if it can. */
export function requestlessIssue(balance: string): string | undefined {
  const { affinity, sticky, text } = makeBalancer(balance);
  if (sticky === undefined && (affinity === undefined || affinity.kind === 'client')) return undefined;
  return `"${text}" looks at requests, and a connection that is carried as it is has none; use for instance "hash"`;
}
