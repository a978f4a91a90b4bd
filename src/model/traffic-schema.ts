import { z } from 'zod';
import { parseSizeBytes } from '#base/bytes';
import { parseRate } from '#base/rate';
import { attempt, duration, positiveDuration, wholeNumber } from './schema-values.ts';

const size = z.string('must be a size with a unit, such as "10Mi"').superRefine((text, context) => {
  if (attempt(() => parseSizeBytes(text)) === undefined) context.addIssue('must be a size with a unit (B, Ki, Mi, Gi, Ti, k, M, G, T), such as "10Mi"');
});

const rate = z.string('must be a rate such as "100/s"').refine((text) => parseRate(text) !== undefined, 'must be a rate such as "100/s" or "30/m"');

const tries = wholeNumber({ from: 0, to: 10 });
const retryOn = z.enum(['502', '503', '504', 'timeout'], 'must be "502", "503", "504" or "timeout"');

/** How a gateway treats the requests of one service: the same words in an app's config and in the file of a gateway of its own. */
export const trafficShape = {
  slowStart: duration.optional(),
  retries: z
    .union(
      [tries, z.strictObject({ count: tries.optional(), on: z.array(retryOn).max(4).optional(), idempotencyKey: z.boolean().optional() })],
      'must be a whole number from 0 to 10, or { count, on, idempotencyKey }',
    )
    .optional(),
  rateLimit: z.strictObject({ rate, burst: wholeNumber({ from: 1, to: 1_000_000 }).optional(), per: z.enum(['client', 'service']).optional() }).optional(),
  timeouts: z
    .strictObject({
      connect: positiveDuration.optional(),
      answer: positiveDuration.optional(),
      idle: positiveDuration.optional(),
      total: positiveDuration.optional(),
    })
    .optional(),
  limits: z
    .strictObject({
      body: size.optional(),
      inFlight: wholeNumber({ from: 1, to: 1_000_000 }).optional(),
      waiting: wholeNumber({ from: 0, to: 100_000 }).optional(),
    })
    .optional(),
  ejection: z
    .strictObject({
      failures: wholeNumber({ from: 0, to: 1_000 }).optional(),
      errors: wholeNumber({ from: 0, to: 10_000 }).optional(),
      slower: z
        .number('must be 0, or a number from 1.5 to 100')
        .refine((factor) => factor === 0 || (factor >= 1.5 && factor <= 100), 'must be 0, or a number from 1.5 to 100')
        .optional(),
      for: positiveDuration.optional(),
    })
    .optional(),
  panic: z.number('must be a share from 0 to 1').min(0, 'must be a share from 0 to 1').max(1, 'must be a share from 0 to 1').optional(),
  backups: z.enum(['first', 'all']).optional(),
  backupDrain: duration.optional(),
  oddFieldNames: z.enum(['drop', 'refuse']).optional(),
} as const;

const trafficSchema = z.strictObject(trafficShape);

/** Traffic settings as they were written, checked. */
export type TrafficInput = z.output<typeof trafficSchema>;
