import { isIP } from 'node:net';
import { z } from 'zod';
import { HOST_NAME } from './config-values.ts';

const MAX_NAMES = 100;
const A_PEM_FILE = 'must be the path of a PEM file';
const A_URL = 'must be an https:// URL, such as "https://acme-v02.api.letsencrypt.org/directory"';
const AN_EMAIL = 'must be an address such as "ops@example.com"';

const shape = {
  agree: z.boolean('must be true or false').optional(),
  email: z
    .string(AN_EMAIL)
    .max(254, AN_EMAIL)
    .regex(/^[^\s@,?]+@[^\s@,?]+$/, AN_EMAIL)
    .optional(),
  directory: z
    .string(A_URL)
    .refine((text) => URL.canParse(text) && new URL(text).protocol === 'https:', A_URL)
    .optional(),
  challenge: z.enum(['http-01', 'tls-alpn-01']).optional(),
  ca: z.string(A_PEM_FILE).min(1, A_PEM_FILE).optional(),
};

const name = z.string('must be a host name').superRefine((text, context) => {
  if (text.includes('*')) context.addIssue('must not be a wildcard: only DNS-01 can prove those, which is not supported; name each host');
  else if (isIP(text.replace(/^\[|\]$/g, '')) !== 0) context.addIssue('must be a host name, not an IP address');
  else if (!HOST_NAME.test(text.toLowerCase())) context.addIssue('must be a host name such as "shop.example.com"');
});

/** Who certificates are got from, for all listeners that say no other. */
export const acme = z.strictObject(shape);

/** The same for one listener, and for which names. */
export const auto = z.strictObject({
  ...shape,
  names: z.array(name, 'must be a list of host names').min(1, 'must have at least one name').max(MAX_NAMES, `must have at most ${MAX_NAMES} names`).optional(),
});
