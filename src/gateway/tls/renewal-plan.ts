import type { UnixMs } from '#world/world';

export interface Dated {
  readonly validFrom: UnixMs;
  readonly validTo: UnixMs;
}

export interface RenewalPlan<Certificate extends Dated> {
  /** To be replaced now. */
  readonly due: readonly Certificate[];
  /** When the next of the others is due; `undefined` if there are no others. */
  readonly nextAt: UnixMs | undefined;
}

/** A certificate is renewed when two thirds of its life are over: a renewal that fails has a third left to be repeated in. */
const renewedAfter = 2 / 3;

/** Which certificates have to be replaced at `now`. Also those that are not valid yet: the clock was wrong when they were made, or is now. */
export function planRenewals<Certificate extends Dated>(certificates: readonly Certificate[], now: UnixMs): RenewalPlan<Certificate> {
  const due: Certificate[] = [];
  let nextAt: UnixMs | undefined;
  for (const certificate of certificates) {
    const at = renewedAt(certificate);
    if (at <= now || certificate.validFrom > now) due.push(certificate);
    else if (nextAt === undefined || at < nextAt) nextAt = at;
  }
  return { due, nextAt };
}

function renewedAt({ validFrom, validTo }: Dated): UnixMs {
  return Math.floor(validFrom + (validTo - validFrom) * renewedAfter) as UnixMs;
}
