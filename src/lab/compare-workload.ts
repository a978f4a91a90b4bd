import { PlatformError } from '#base/errors';
import { parsePolicyString, printPolicyString } from '#policy/policy-string';
import { parseLaw } from './laws.ts';
import type { ScenarioClass } from './scenario.ts';

/** A tenant of a synthetic workload, with its share under weighted policies. */
export interface TenantShare {
  readonly name: string;
  readonly weight: number;
}

const ONE_TENANT: readonly TenantShare[] = [{ name: 'all', weight: 1 }];

/**
 * The classes of a synthetic workload in short form, a law of sizes and a load: `bpareto?low=1&high=1000&alpha=1.5&load=0.8`. Arrivals are
 * Poisson, at the rate that loads each worker to `load`, divided evenly over the tenants.
 */
export function classesOfWorkload(text: string, options: { readonly workers: number; readonly tenants?: readonly TenantShare[] }): readonly ScenarioClass[] {
  const given = parsePolicyString(text);
  const load = Number(given.options.get('load') ?? '0.8');
  if (!(load > 0 && load <= 1_000)) {
    throw new PlatformError('INVALID', `Cannot use workload "${text}", because load must be a number above 0, such as load=0.8`, { text });
  }
  const sizes = parseLaw(printPolicyString({ name: given.name, options: new Map([...given.options].filter(([key]) => key !== 'load')) }));
  const tenants = options.tenants ?? ONE_TENANT;
  const gap = (sizes.mean * tenants.length) / (load * options.workers);
  return tenants.map(({ name, weight }) => ({ tenant: name, weight, priority: 0, gaps: `exp?mean=${gap}`, sizes: sizes.name }));
}
