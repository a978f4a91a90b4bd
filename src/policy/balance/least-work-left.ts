/**
 * The index of the backend that will have done all it was given first, by the declared cost of each request; ties to the lowest index. `freeAt` holds, for
 * each, the moment at which it will. With one queue per backend this is the central queue, request by request.
 */
export function pickLeastWorkLeft(freeAt: Float64Array, count: number, now: number): number {
  let best = 0;
  for (let index = 1; index < count; index += 1) {
    if (Math.max(now, freeAt[index] as number) < Math.max(now, freeAt[best] as number)) best = index;
  }
  return best;
}
