import { PlatformError } from '#base/errors';
import { nearest } from '#model/nearest';
import {
  canonicalPolicy,
  choiceOption,
  durationOption,
  integerOption,
  numberOption,
  type OptionKind,
  type OptionKinds,
  type OptionsOf,
  type PolicyString,
  parsePolicyString,
  readOptions,
} from '../policy-string.ts';
import type { LatencyOptions } from './answer-latency.ts';
import type { Pick } from './candidate.ts';
import { maglevPicker, ringPicker } from './consistent-hash.ts';
import { pickIdle } from './join-idle.ts';
import { pickLeastRequest } from './least-request.ts';
import { rendezvousPicker } from './rendezvous.ts';
import { pickSmoothWeighted } from './smooth-weighted.ts';
import { pickTwoChoices } from './two-choices.ts';

/** What of a request a policy hashes: who sent it, where it goes, or the value of a field (its name in lower case). */
export type Affinity = { readonly kind: 'client' } | { readonly kind: 'path' } | { readonly kind: 'header'; readonly name: string };

/** A balance policy, ready to decide. What it does not need is absent and costs nothing. */
export interface Balancer {
  /** The policy string it was made from, in canonical form. */
  readonly text: string;
  readonly pick: Pick;
  readonly affinity?: Affinity;
  /** Candidates need a `AnswerLatency` with these options. */
  readonly latency?: LatencyOptions;
  /** A client is first bound to the backend that its cookie names; `pick` is for new clients and those whose backend is not usable. `ttlMs` 0: for the session. */
  readonly sticky?: { readonly cookie: string; readonly ttlMs: number };
}

interface Kind<Kinds extends OptionKinds> {
  readonly options: Kinds;
  make(options: OptionsOf<Kinds>): Omit<Balancer, 'text'>;
}

const affinityOption: OptionKind<Affinity> = {
  accepts: 'client, path, or header:NAME',
  fallback: { kind: 'client' },
  parse: (text) => {
    if (text === 'client' || text === 'path') return { kind: text };
    const name = /^header:([A-Za-z0-9-]{1,64})$/.exec(text)?.[1];
    return name === undefined ? undefined : { kind: 'header', name: name.toLowerCase() };
  },
  print: (affinity) => (affinity.kind === 'header' ? `header:${affinity.name}` : affinity.kind),
};

const cookieOption: OptionKind<string> = {
  accepts: 'the name of a cookie: 1 to 64 letters, digits, "-" and "_"',
  fallback: 'haven',
  parse: (text) => (/^[A-Za-z0-9_-]{1,64}$/.test(text) ? text : undefined),
  print: String,
};

const latencyOptions = { decay: durationOption(10_000_000), penalty: durationOption(1_000_000), initial: durationOption(30_000) };

/** Every balance policy a route can name. A new one is one file and one entry here. */
export const BALANCERS = {
  /** Turns by weight. */
  'round-robin': kind({}, () => ({ pick: pickSmoothWeighted })),
  /** Fewest in flight by weight. */
  'least-request': kind({}, () => ({ pick: pickLeastRequest })),
  /** Of two at random, the one with less to do. */
  p2c: kind({}, () => ({ pick: pickTwoChoices })),
  /** Of two at random, the one that answers sooner and has less to do. */
  'peak-ewma': kind(latencyOptions, ({ decay, penalty, initial }) => ({
    pick: pickTwoChoices,
    latency: { decayMs: decay / 1_000, penaltyMs: penalty / 1_000, initialMs: initial / 1_000 },
  })),
  /** One that has nothing to do, if there is one. */
  'join-idle-queue': kind({}, () => ({ pick: pickIdle })),
  /** The same key to the same backend, by points on a ring. */
  'ring-hash': kind({ on: affinityOption, points: integerOption(100, { least: 10, most: 1_000 }) }, ({ on, points }) => ({
    pick: ringPicker(points),
    affinity: on,
  })),
  /** The same key to the same backend, by a table whose shares are as even as can be. */
  maglev: kind({ on: affinityOption, size: choiceOption(['65537', '1021', '16381']) }, ({ on, size }) => ({
    pick: maglevPicker(Number(size)),
    affinity: on,
  })),
  /** The same key to the same backend, none of them overloaded. */
  hash: kind({ on: affinityOption, load: numberOption(1.25, { least: 1.05, most: 100 }) }, ({ on, load }) => ({ pick: rendezvousPicker(load), affinity: on })),
  /** The same client to the same backend, by a cookie. */
  sticky: kind(
    { cookie: cookieOption, ttl: durationOption(0, 0), then: choiceOption(['round-robin', 'least-request']) },
    ({ cookie, ttl, then }): Omit<Balancer, 'text'> => ({
      pick: then === 'round-robin' ? pickSmoothWeighted : pickLeastRequest,
      sticky: { cookie, ttlMs: ttl / 1_000 },
    }),
  ),
};

/** What a route without a policy, or with one of a newer version, uses. */
export const DEFAULT_BALANCE = 'round-robin';

/** The policy of a policy string such as `peak-ewma?decay=5s`. INVALID names the unknown policy or the bad option, and what is known. */
export function makeBalancer(text: string): Balancer {
  const policy = parsePolicyString(text);
  if (!Object.hasOwn(BALANCERS, policy.name)) {
    const known = Object.keys(BALANCERS);
    const meant = nearest(policy.name, known);
    const hint = meant === undefined ? '' : ` did you mean "${meant}"?`;
    throw new PlatformError('INVALID', `Cannot balance by "${policy.name}", because it is not a policy;${hint} known: ${known.join(', ')}`, { text });
  }
  const { options, make } = BALANCERS[policy.name as keyof typeof BALANCERS] as Kind<OptionKinds>;
  return { text: canonicalPolicy(policy, options), ...make(readOptions(policy satisfies PolicyString, options)) };
}

/** Why a policy string cannot be used; `undefined` if it can. Goes on after "must be a balance policy, but ". */
export function balanceIssue(text: string): string | undefined {
  try {
    makeBalancer(text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function kind<const Kinds extends OptionKinds>(options: Kinds, make: (options: OptionsOf<Kinds>) => Omit<Balancer, 'text'>): Kind<Kinds> {
  return { options, make };
}
