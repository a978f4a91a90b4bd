import { z } from 'zod';
import { parseAddress } from './config-values.ts';

const MAX_LISTENERS = 64;

const AN_ADDRESS = 'must be an address with a port, such as "127.0.0.1:3000" or "[::1]:3000"';
/** An address with a port; names are not looked up. */
export const address = z.string(AN_ADDRESS).superRefine((text, context) => {
  const parsed = parseAddress(text);
  if (typeof parsed === 'string') context.addIssue(parsed);
});

const listener = z.strictObject({
  address,
  tls: z.never('is not available yet in this version: listeners are plain HTTP').optional(),
  tcp: z.never('is not available yet in this version: listeners are plain HTTP').optional(),
});

const A_LISTENER = 'must be an address such as "0.0.0.0:8080", { address }, or a list of them';
/** Where clients reach the gateway. */
export const listeners = z.union(
  [
    address,
    listener,
    z
      .array(z.union([address, listener], A_LISTENER))
      .min(1, 'must have at least one listener')
      .max(MAX_LISTENERS, `must have at most ${MAX_LISTENERS} listeners`),
  ],
  A_LISTENER,
);
