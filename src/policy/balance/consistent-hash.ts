import type { BalanceCandidate, Pick, PickRequest } from './candidate.ts';
import { mixHashes } from './key-hash.ts';

/** The table of a consistent hash for the candidates it was made for, and how a key finds its first slot in it. */
interface SlotTable {
  /** Of the candidates in order: while they are the same, the table is. */
  readonly hashes: readonly number[];
  /** Index of the owner of each slot. */
  readonly owners: Int32Array;
  slotOf(keyHash: number): number;
}

/**
 * Keys and backends on a ring of 2³²; a key belongs to the next point of a backend (Karger et al. 1997, "Consistent Hashing and Random
 * Trees"). `points` per unit of weight even out the shares. When a backend leaves, only its keys move.
 */
export function ringPicker(points: number): Pick {
  return tablePicker((candidates) => ringTable(candidates, points));
}

/**
 * A table of `size` slots, a prime, that backends fill in turn by their own permutations; a lookup is one access (Eisenbud et al. 2016,
 * "Maglev", section 3.4). Shares are as even as can be; when a backend leaves, few other keys move.
 */
export function maglevPicker(size: number): Pick {
  return tablePicker((candidates) => ({
    hashes: candidates.map((one) => one.hash),
    owners: fillMaglev(
      candidates.map(({ hash }) => ({ offset: mixHashes(hash, 0) % size, skip: (mixHashes(hash, 1) % (size - 1)) + 1 })),
      size,
    ),
    slotOf: (keyHash) => mixHashes(keyHash, 0) % size,
  }));
}

/** The lookup table of Maglev: each backend in turn takes the next slot of its permutation that is still free. `size` is prime. */
export function fillMaglev(permutations: readonly { readonly offset: number; readonly skip: number }[], size: number): Int32Array<ArrayBuffer> {
  const owners = new Int32Array(size).fill(-1);
  const next = new Float64Array(permutations.length);
  for (let filled = 0; permutations.length > 0; ) {
    for (const [backend, { offset, skip }] of permutations.entries()) {
      let slot = (offset + (next[backend] as number) * skip) % size;
      while (owners[slot] !== -1) {
        next[backend] = (next[backend] as number) + 1;
        slot = (offset + (next[backend] as number) * skip) % size;
      }
      owners[slot] = backend;
      next[backend] = (next[backend] as number) + 1;
      filled += 1;
      if (filled === size) return owners;
    }
  }
  return owners;
}

function ringTable(candidates: readonly BalanceCandidate[], points: number): SlotTable {
  const ring = candidates.flatMap(({ hash, weight }, owner) =>
    Array.from({ length: Math.round(points * weight) }, (_, point) => ({ place: mixHashes(mixHashes(hash, 2), point), owner })),
  );
  ring.sort((a, b) => a.place - b.place || a.owner - b.owner);
  const places = Uint32Array.from(ring, (one) => one.place);
  return {
    hashes: candidates.map((one) => one.hash),
    owners: Int32Array.from(ring, (one) => one.owner),
    slotOf: (keyHash) => {
      const key = mixHashes(keyHash, 0);
      let low = 0;
      let high = places.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((places[middle] as number) < key) low = middle + 1;
        else high = middle;
      }
      return low === places.length ? 0 : low;
    },
  };
}

/** Keeps the table until the candidates change, so that only a change allocates. */
function tablePicker(make: (candidates: readonly BalanceCandidate[]) => SlotTable): Pick {
  let table: SlotTable | undefined;
  return <Candidate extends BalanceCandidate>(candidates: readonly Candidate[], excluded: readonly Candidate[] | undefined, request: PickRequest) => {
    if (candidates.length === 0) return undefined;
    if (table === undefined || !isMadeFor(table, candidates)) table = make(candidates);
    const { owners } = table;
    const first = table.slotOf(request.keyHash);
    // Who may not have the request leaves it to the owner of the next slot: the same one for all requests of the key.
    for (let step = 0; step < owners.length; step++) {
      const owner = candidates[owners[(first + step) % owners.length] as number];
      if (owner !== undefined && owner.weight > 0 && !excluded?.includes(owner)) return owner;
    }
    return undefined;
  };
}

function isMadeFor({ hashes }: SlotTable, candidates: readonly BalanceCandidate[]): boolean {
  if (hashes.length !== candidates.length) return false;
  for (let i = 0; i < hashes.length; i++) if (hashes[i] !== (candidates[i] as BalanceCandidate).hash) return false;
  return true;
}
