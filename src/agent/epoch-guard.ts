import { isName } from '#base/name';
import type { Instance } from '#model/instance';
import type { Mirrored } from '#model/mirror';
import { isInstanceId } from './folders.ts';

/** What the guard decided about the instances of one revision. */
export interface Admission {
  /** The version of each instance of this node to act on, by key. */
  readonly admitted: ReadonlyMap<string, Mirrored<Instance>>;
  /** The highest epoch seen, to be persisted before acting. */
  readonly highestEpoch: number;
  /** One sentence for each item that was not taken. */
  readonly refused: readonly string[];
}

interface Offer {
  readonly node: string;
  readonly items: Iterable<Mirrored<Instance>>;
  readonly revision: number;
  readonly before: Pick<Admission, 'admitted' | 'highestEpoch'>;
}

/**
 * Tells which of the mirrored instances an agent may act on (N6). A leader's epoch is the revision at which it became leader; so an item with an epoch lower
 * than another one known to exist when the item was written comes from a leader that had been replaced: the version before stays in force.
 */
export function admitInstances({ node, items, revision, before }: Offer): Admission {
  const all = [...items];
  // No epoch is above the store's revision, unless the store was restored from an older copy: then epochs begin anew.
  const known = before.highestEpoch > revision ? 0 : before.highestEpoch;
  const highestEpoch = all.reduce((highest, { value }) => (value.epoch <= revision ? Math.max(highest, value.epoch) : highest), known);
  const admitted = new Map<string, Mirrored<Instance>>();
  const refused: string[] = [];
  for (const item of all) {
    if (item.value.node !== node) continue;
    const problem = problemOf(item, highestEpoch);
    if (problem === undefined) {
      admitted.set(item.key, item);
      continue;
    }
    const former = before.admitted.get(item.key);
    if (former) admitted.set(item.key, former);
    // Said once for each version, not at each look.
    if (former?.modRevision !== item.modRevision) refused.push(problem);
  }
  return { admitted, highestEpoch, refused };
}

function problemOf({ key, value, modRevision }: Mirrored<Instance>, highestEpoch: number): string | undefined {
  if (!isInstanceId(value.id) || !isName(value.app) || !isName(value.service) || key !== `/instances/${value.id}`)
    return `the item at ${key} is not an instance`;
  if (value.epoch < highestEpoch && modRevision > highestEpoch) {
    return `${value.id} at revision ${modRevision} was written by the leader of epoch ${value.epoch}, after that of epoch ${highestEpoch} had taken over`;
  }
  return undefined;
}
