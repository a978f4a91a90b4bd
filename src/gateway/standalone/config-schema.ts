import { isIP } from 'node:net';
import { z } from 'zod';
import { duration, positiveDuration, wholeNumber } from '#model/schema-values';
import { trafficShape } from '#model/traffic-schema';
import { balanceIssue } from '#policy/balance/balancers';
import { acme } from './acme-schema.ts';
import { HOST_NAME, isLoopback, parseAddress } from './config-values.ts';
import { address, backendAddress, file, listeners, serviceName, trust } from './listener-schema.ts';

const MAX_BACKENDS = 1_000;
const MAX_ROUTES = 10_000;
const MAX_WORKERS = 64;
const MAX_DNS_SERVERS = 4;
const MAX_CONNECTIONS = 1_000_000;

/** Unreserved characters and those that a path may carry as they are (RFC 3986, section 3.3), without percent-encoding. */
const PATH = /^\/[A-Za-z0-9\-._~!$&'()*+,;=:@/]*$/;

/** A DNS server, with or without a port. */
const dnsServer = z
  .string()
  .refine((text) => isIP(text) !== 0 || typeof parseAddress(text) !== 'string', 'must be the address of a DNS server, such as "10.0.0.2" or "127.0.0.1:5353"');

const path = z
  .string()
  .refine(
    (text) => PATH.test(text) && !text.split('/').some((part) => part === '.' || part === '..'),
    'must be a path such as "/api", of ASCII characters as they are: without "." or "..", a query, or percent-encoding',
  )
  .refine((text) => !text.endsWith('*'), 'must not end with "*": what it begins with is matched already, "/api" stands for "/api/x" too');

const host = z.string().refine((text) => text === '*' || HOST_NAME.test(text.toLowerCase()), 'must be a host name such as "shop.example.com", or "*" for any');

/** Who reaches it can read and reload. */
const admin = address.refine((text) => isLoopback(text), 'must be a loopback address: who reaches it can read and reload');

const route = z.strictObject({ host: host.optional(), path: path.optional(), service: serviceName });

const backend = z.union(
  [
    backendAddress,
    z.strictObject({
      address: backendAddress,
      weight: z.number().min(0, 'must be at least 0').max(1_000, 'must be at most 1000').optional(),
      tier: z.enum(['primary', 'backup']).optional(),
      drain: z.boolean().optional(),
    }),
  ],
  'must be an address such as "127.0.0.1:3000" or "api.internal:3000", or { address, weight, tier, drain }',
);

const checkTimes = {
  interval: positiveDuration.optional(),
  timeout: positiveDuration.optional(),
  rise: wholeNumber({ from: 1, to: 100 }).optional(),
  fall: wholeNumber({ from: 1, to: 100 }).optional(),
};
const check = z.union(
  [
    path,
    z
      .strictObject({ http: path.optional(), tcp: z.literal(true).optional(), ...checkTimes })
      .refine((given) => (given.http === undefined) !== (given.tcp === undefined), 'must have "http" or "tcp", and not both'),
  ],
  'must be a path such as "/healthz", or { http or tcp, interval, timeout, rise, fall }',
);

const balance = z.string().superRefine((text, context) => {
  const why = balanceIssue(text);
  if (why !== undefined) context.addIssue(`cannot be used: ${why}`);
});

/** One service: the backends behind it and how they get requests. */
export const serviceSchema = z.strictObject({
  backends: z.array(backend).min(1, 'must have at least one backend').max(MAX_BACKENDS, `must have at most ${MAX_BACKENDS} backends`),
  balance: balance.optional(),
  check: check.optional(),
  pipeline: z.boolean().optional(),
  clientCa: z.union([file, z.strictObject({ file, required: z.boolean().optional() })], 'must be the path of a PEM file, or { file, required }').optional(),
  ...trafficShape,
  stickyDrain: duration.optional(),
  drain: duration.optional(),
});

const SERVICES = 'must be services by name, such as { web: { backends: [127.0.0.1:3000] } }';

/** The file of a gateway of its own, as people write it. */
export const gatewaySchema = z.strictObject({
  name: serviceName.optional(),
  listen: listeners,
  trust: trust.optional(),
  acme: acme.optional(),
  limits: z
    .strictObject({
      connections: wholeNumber({ from: 1, to: MAX_CONNECTIONS }).optional(),
      connectionsPerClient: wholeNumber({ from: 1, to: MAX_CONNECTIONS }).optional(),
      stall: positiveDuration.optional(),
    })
    .optional(),
  admin: admin.optional(),
  resolver: z
    .union([dnsServer, z.array(dnsServer).min(1, 'must name at least one server').max(MAX_DNS_SERVERS, `must name at most ${MAX_DNS_SERVERS} servers`)])
    .optional(),
  workers: wholeNumber({ from: 1, to: MAX_WORKERS }).optional(),
  accessLog: z.string().min(1, 'must be a folder').optional(),
  state: z.string().min(1, 'must be a folder').optional(),
  drain: duration.optional(),
  preDrain: duration.optional(),
  stickySecret: z.string().min(16, 'must have at least 16 characters').max(256, 'must have at most 256 characters').optional(),
  routes: z.array(route).max(MAX_ROUTES, `must have at most ${MAX_ROUTES} routes`).optional(),
  services: z.record(serviceName, serviceSchema, SERVICES).refine((services) => Object.keys(services).length > 0, SERVICES),
});

/** A gateway's file, checked. */
export type GatewayInput = z.output<typeof gatewaySchema>;
export type ServiceInput = z.output<typeof serviceSchema>;
