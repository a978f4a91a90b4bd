import type { AppSpec } from '#model/spec';
import type { SpecIssue } from '#model/spec-issues';
import { balanceIssue } from './balancers.ts';

/** The services whose balance policy this version cannot use. The model only knows the form of a policy, because it lies below the policies. */
export function balanceIssuesOf(spec: AppSpec): readonly SpecIssue[] {
  return Object.values(spec.services).flatMap(({ name, balance }) => {
    const why = balance === undefined ? undefined : balanceIssue(balance);
    return why === undefined ? [] : [{ path: [name, 'balance'], message: `cannot be used: ${why}` }];
  });
}
