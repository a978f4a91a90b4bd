import { z } from 'zod';
import { parseDurationMs } from '#base/duration';

/** `undefined` where `parse` throws. */
export function attempt<Value>(parse: () => Value): Value | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

/** A duration as people write it, such as "10s". */
export const duration = z.string('must be a duration with a unit, such as "10s"').superRefine((text, context) => {
  if (attempt(() => parseDurationMs(text)) === undefined) context.addIssue('must be a duration with a unit (ms, s, m, h, d), such as "10s"');
});

export const positiveDuration = duration.refine((text) => attempt(() => parseDurationMs(text)) !== 0, 'must be longer than 0');

/** A whole number within bounds that are allowed too. */
export function wholeNumber(bounds: { readonly from: number; readonly to: number }) {
  const what = `must be a whole number from ${bounds.from} to ${bounds.to}`;
  return z.int(what).min(bounds.from, what).max(bounds.to, what);
}
