import { isIP } from 'node:net';
import { z } from 'zod';
import { isName } from '#base/name';
import { parseCidr } from '../dataplane/ip-address.ts';
import { auto } from './acme-schema.ts';
import { parseAddress, parseBackend } from './config-values.ts';

const A_NAME = 'must be 1 to 40 of a-z, 0-9 and "-", and neither begin nor end with "-"';
const MAX_LISTENERS = 64;
const MAX_RANGES = 256;
const MAX_CERTIFICATES = 1_000;
const MAX_NAMES = 100;
const MAX_HOPS = 16;
const A_COUNT = `must be a whole number from 1 to ${MAX_HOPS}`;

const AN_ADDRESS = 'must be an address with a port, such as "127.0.0.1:3000" or "[::1]:3000"';
/** An IP address with a port. */
export const address = z.string(AN_ADDRESS).superRefine((text, context) => {
  const parsed = parseAddress(text);
  if (typeof parsed === 'string') context.addIssue(parsed);
});
/** The same, or a name with a port, which is looked up. */
export const backendAddress = z.string(AN_ADDRESS).superRefine((text, context) => {
  const parsed = parseBackend(text);
  if (typeof parsed === 'string') context.addIssue(parsed);
});

const A_RANGE = 'must be addresses such as "10.0.0.0/8", "fd00::/8" or "192.0.2.1"';
const ranges = z
  .array(
    z.string(A_RANGE).refine((text) => parseCidr(text) !== undefined, A_RANGE),
    'must be a list of addresses such as ["10.0.0.0/8"]',
  )
  .min(1, 'must have at least one range')
  .max(MAX_RANGES, `must have at most ${MAX_RANGES} ranges`);

/** A path; it begins at the folder of the file. */
export const file = z.string('must be the path of a PEM file').min(1, 'must be the path of a PEM file');
const MIN_VERSION = 'must be 1.2 or 1.3';
const A_CERTIFICATE_NAME = 'must be a host name such as "shop.test" or "*.shop.test", or an IP address';
const CERTIFICATE_NAME = /^(?=.{1,253}$)(?:\*\.)?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
const certificateName = z
  .string(A_CERTIFICATE_NAME)
  .refine((text) => isIP(text) !== 0 || (CERTIFICATE_NAME.test(text.toLowerCase()) && !/(?:^|\.)\d+$/.test(text)), A_CERTIFICATE_NAME);
const tlsOptions = z.strictObject({
  certificates: z
    .array(z.strictObject({ cert: file, key: file }, 'must be { cert, key }, paths of PEM files'))
    .min(1, 'must have at least one certificate')
    .max(MAX_CERTIFICATES, `must have at most ${MAX_CERTIFICATES} certificates`)
    .optional(),
  auto: auto.optional(),
  internal: z.boolean('must be true or false').optional(),
  names: z.array(certificateName, 'must be a list of host names').max(MAX_NAMES, `must have at most ${MAX_NAMES} names`).optional(),
  unknownNames: z.enum(['serve', 'reject']).optional(),
  minVersion: z.union([z.literal(1.2), z.literal(1.3), z.literal('1.2'), z.literal('1.3')], MIN_VERSION).optional(),
});
const A_TLS = 'must be auto, internal, { internal: true, names, unknownNames, minVersion } or { certificates, auto, unknownNames, minVersion }';
/** Where certificates come from: a public authority (ACME), the gateway's own, or files. */
const tls = z.union([z.string().refine((text): text is 'auto' | 'internal' => text === 'auto' || text === 'internal', A_TLS), tlsOptions], A_TLS);

/** Whose word about clients is taken. */
export const trust = z.union(
  [ranges, z.strictObject({ from: ranges, hops: z.int(A_COUNT).min(1, A_COUNT).max(MAX_HOPS, A_COUNT).optional() })],
  'must be a list of addresses such as ["10.0.0.0/8"], or { from, hops }',
);

const A_REDIRECT = 'must be https, or the port to which clients are sent';
const redirect = z.union([z.literal('https'), z.int(A_REDIRECT).min(1, A_REDIRECT).max(65_535, A_REDIRECT)], A_REDIRECT);

/** What a service of the file may be called. */
export const serviceName = z.string(A_NAME).refine((text): boolean => isName(text), A_NAME);

const listener = z.strictObject({
  address,
  redirect: redirect.optional(),
  proxyProtocol: ranges.optional(),
  trust: trust.optional(),
  tls: tls.optional(),
  http2: z.boolean('must be true or false').optional(),
  tcp: serviceName.optional(),
});

const A_LISTENER = 'must be an address such as "0.0.0.0:8080", { address, tls, http2, tcp, redirect, proxyProtocol, trust }, or a list of them';
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
