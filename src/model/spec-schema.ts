import { z } from 'zod';
import { parseSizeBytes } from '#base/bytes';
import { parseDurationMs } from '#base/duration';
import { isName } from '#base/name';
import { duration as anyDuration, attempt, wholeNumber } from './schema-values.ts';
import { checkCommand, splitCommand } from './split-command.ts';
import { trafficShape } from './traffic-schema.ts';

/** Bounds of a config, so that no app can be larger than the store and the machines bear. */
export const MAX_COUNT = 1_000;
export const MAX_SERVICES = 50;
const MAX_ENVIRONMENT_VARIABLES = 256;
const MAX_VALUE_LENGTH = 32_768;
const MAX_DURATION_MS = 30 * 86_400_000;
const MIN_MEMORY_BYTES = 4 * 2 ** 20;

/** Environment variables that an instance is given by the node. */
const RESERVED_VARIABLES = new Set(['PORT', 'HOST']);

/** What an environment variable and a secret may be called. */
export const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

const HOST = /^(?:\*|(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*)$/;
/** Unreserved characters and those that a path may carry as they are (RFC 3986, section 3.3), without percent-encoding. */
const PATH = /^\/[A-Za-z0-9\-._~!$&'()*+,;=:@/]*$/;

const name = z.string().refine(isName, 'must be 1 to 40 of a-z, 0-9 and "-", and neither begin nor end with "-"');

const duration = anyDuration.refine((text) => (attempt(() => parseDurationMs(text)) ?? 0) <= MAX_DURATION_MS, 'must be at most "30d"');
const positiveDuration = duration.refine((text) => attempt(() => parseDurationMs(text)) !== 0, 'must be longer than 0');

const size = z.string('must be a size with a unit, such as "512Mi"').superRefine((text, context) => {
  const sizeBytes = attempt(() => parseSizeBytes(text));
  if (sizeBytes === undefined) context.addIssue('must be a size with a unit (Ki, Mi, Gi, Ti, k, M, G, T), such as "512Mi"');
  else if (sizeBytes < MIN_MEMORY_BYTES) context.addIssue('must be at least "4Mi"');
});

const percentOrCount = z.union(
  [wholeNumber({ from: 0, to: MAX_COUNT }), z.templateLiteral([z.number(), '%'])],
  'must be a whole number, or a percentage such as "25%"',
);

const command = z.union([z.string(), z.array(z.string())], 'must be a command such as "node server.js", or its words').superRefine((given, context) => {
  const split = typeof given === 'string' ? splitCommand(given) : checkCommand(given);
  if (!split.ok) context.addIssue(split.why);
});

const timedCommand = z.union([command, z.strictObject({ run: command, timeout: positiveDuration.optional() })], 'must be a command, or { run, timeout }');

const variables = z.record(z.string(), z.string(`must be a text: write '3000' instead of 3000`).max(MAX_VALUE_LENGTH)).superRefine((given, context) => {
  const names = Object.keys(given);
  if (names.length > MAX_ENVIRONMENT_VARIABLES) context.addIssue(`must have at most ${MAX_ENVIRONMENT_VARIABLES} variables`);
  for (const variable of names) {
    const why = reasonAgainst(variable);
    if (why) context.addIssue({ code: 'custom', path: [variable], message: why });
  }
});

const httpPath = z.string().regex(PATH, 'must be a path such as "/healthz"');
const probe = { http: httpPath.optional(), tcp: z.literal(true).optional() };
const oneProbe = (given: { readonly http?: unknown; readonly tcp?: unknown }): boolean => (given.http === undefined) !== (given.tcp === undefined);
const A_CHECK = 'must be a path such as "/healthz", or { http or tcp, interval, timeout, … }';
const ONE_PROBE = 'must have "http" or "tcp", and not both';

const startupCheck = z
  .strictObject({ ...probe, interval: positiveDuration.optional(), timeout: positiveDuration.optional(), startTimeout: positiveDuration.optional() })
  .refine((given) => given.http === undefined || given.tcp === undefined, ONE_PROBE);

const check = z
  .strictObject({
    ...probe,
    interval: positiveDuration.optional(),
    timeout: positiveDuration.optional(),
    rise: wholeNumber({ from: 1, to: 100 }).optional(),
    fall: wholeNumber({ from: 1, to: 100 }).optional(),
  })
  .refine(oneProbe, ONE_PROBE);

const health = z.strictObject({
  startup: z.union([httpPath, startupCheck], A_CHECK).optional(),
  ready: z.union([httpPath, check], A_CHECK).optional(),
  alive: z.union([httpPath, check], A_CHECK).optional(),
});

const update = z.strictObject({
  maxParallel: wholeNumber({ from: 1, to: MAX_COUNT }).optional(),
  maxSurge: percentOrCount.optional(),
  maxUnavailable: percentOrCount.optional(),
  minHealthy: duration.optional(),
  healthyDeadline: positiveDuration.optional(),
  progressDeadline: positiveDuration.optional(),
  autoRevert: z.boolean().optional(),
  canary: wholeNumber({ from: 0, to: MAX_COUNT }).optional(),
  autoPromote: z.boolean().optional(),
});

const stop = z.strictObject({ unroute: duration.optional(), drain: duration.optional(), kill: duration.optional() });

const restart = z.strictObject({
  delay: duration.optional(),
  maxDelay: duration.optional(),
  attempts: wholeNumber({ from: 0, to: 1_000 }).optional(),
  window: positiveDuration.optional(),
  resetAfter: positiveDuration.optional(),
});

const placement = z.strictObject({
  policy: z.enum(['spread', 'bin-pack']).optional(),
  pool: name.optional(),
  constraints: z.record(z.string(), z.string()).optional(),
});

const route = z
  .strictObject({
    tcp: wholeNumber({ from: 1, to: 65_535 }).optional(),
    host: z
      .string()
      .refine((host) => HOST.test(host.toLowerCase()), 'must be a host name such as "shop.example.com", or "*" for any')
      .optional(),
    path: z
      .string()
      .refine((path) => PATH.test(path) && !path.split('/').some((part) => part === '.' || part === '..'), 'must be a path such as "/api", without "." or ".."')
      .optional(),
    tls: z.literal('internal').optional(),
  })
  .refine(
    ({ tcp, host, path }) => tcp === undefined || (host === undefined && path === undefined),
    'must have "tcp", or "host" and "path": a connection that is carried as it is has neither',
  )
  .refine(({ tcp, tls }) => tcp === undefined || tls === undefined, 'cannot have "tls" with "tcp": a connection that is carried as it is stays as it is');

/** One service as people write it. */
export const serviceSchema = z.strictObject({
  run: z.strictObject({ process: command }),
  install: timedCommand.optional(),
  port: wholeNumber({ from: 1, to: 65_535 }).optional(),
  hostPort: wholeNumber({ from: 1, to: 65_535 }).optional(),
  health: z.union([httpPath, health], 'must be a path such as "/healthz", or { startup, ready, alive }').optional(),
  count: wholeNumber({ from: 0, to: MAX_COUNT }).optional(),
  mode: z.enum(['balanced', 'active-standby']).optional(),
  // Which policies there are is known above the model.
  balance: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,39}(?:\?[^\s?]{1,200})?$/, 'must be a balance policy such as "round-robin" or "peak-ewma?decay=5s"')
    .optional(),
  traffic: z.strictObject(trafficShape).optional(),
  resources: z
    .strictObject({ cpu: z.number().min(0.001, 'must be at least 0.001').max(1_024, 'must be at most 1024').optional(), memory: size.optional() })
    .optional(),
  update: update.optional(),
  stop: stop.optional(),
  restart: restart.optional(),
  spread: z.literal('node').optional(),
  placement: placement.optional(),
  routes: z.array(route).max(100, 'must have at most 100 routes').optional(),
  env: variables.optional(),
  fetchTimeout: positiveDuration.optional(),
});

const settings = {
  env: variables.optional(),
  secrets: z
    .array(z.string().superRefine((secret, context) => addReason(reasonAgainst(secret), context)))
    .max(100, 'must have at most 100 secrets')
    .optional(),
  release: timedCommand.optional(),
  revertScope: z.enum(['service', 'app']).optional(),
};

/** Everything of an app but its services and environments. */
export const settingsSchema = z.strictObject({ name, ...settings });

/** A service's config as it was written, checked. */
export type ServiceInput = z.output<typeof serviceSchema>;

/** Keys of the app itself; every other is a service. */
export const SETTING_KEYS: readonly string[] = [...Object.keys(settingsSchema.shape), 'environments'];

/** Keys people know from elsewhere or from plans for Haven, with what to say. By the last key of the path. */
export const NOT_YET: Readonly<Record<string, string>> = {
  scale: 'is not available yet: this version scales by "count" and "haven scale"',
  docker: 'is not available yet in this version: write { process: "…" }',
  vm: 'is not available yet in this version: write { process: "…" }',
  volume: 'is not available yet in this version: keep data on a machine outside of the cluster',
  jobs: 'is not available yet in this version',
  cron: 'is not available yet in this version',
  tls: 'belongs to a route: write routes: [{ host: "shop.test", tls: "internal" }]',
  onNodeLost: 'is not available yet in this version: instances of a lost node are replaced at once',
};

function reasonAgainst(variable: string): string | undefined {
  if (!VARIABLE_NAME.test(variable)) return 'must be called by letters, digits and "_", not beginning with a digit';
  if (RESERVED_VARIABLES.has(variable)) return 'is set by Haven for each instance and cannot be set here';
  return variable.startsWith('HAVEN_') ? 'is refused, because names that begin with HAVEN_ are for Haven' : undefined;
}

function addReason(why: string | undefined, context: { addIssue(message: string): void }): void {
  if (why) context.addIssue(why);
}
