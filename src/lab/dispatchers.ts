import { PlatformError } from '#base/errors';
import { BALANCERS } from '#policy/balance/balancers';
import { pickLeastWorkLeft } from '#policy/balance/least-work-left';
import { integerOption, parsePolicyString, printPolicyString, readOptions } from '#policy/policy-string';
import type { Micros } from '#policy/queue/queue-policy';
import { gatewayDispatcher } from './gateway-dispatcher.ts';
import type { RandomStream } from './random-stream.ts';

/** What a dispatcher may look at: per replica, requests in it, and the moment it will have finished all of them. */
export interface Replicas {
  readonly count: number;
  readonly pending: Int32Array;
  readonly freeAt: Float64Array;
}

/** Chooses the replica of a request the moment it arrives. `key` is a hash of who sent it. Never allocates. */
export interface Dispatcher {
  readonly name: string;
  pick(replicas: Replicas, now: Micros, random: RandomStream, key: number): number;
  /** Hears of every answer, if it has to: how long it took from arrival. */
  readonly answered?: (replica: number, took: Micros, now: Micros) => void;
}

const CHOICES = { choices: integerOption(2, { least: 1, most: 1_000 }) };

/** Dispatchers of the lab's own by name; `p2c` is power of two choices. The gateway's balance policies are dispatchers as well. */
const OWN = ['random', 'round-robin', 'least-connections', 'p2c', 'least-work-left'] as const;

/** Makes a dispatcher from its string: `p2c?choices=3`, `peak-ewma?decay=5s`. INVALID for an unknown name or option. */
export function makeDispatcher(text: string): Dispatcher {
  const policy = parsePolicyString(text);
  const name = printPolicyString(policy);
  if (!OWN.some((own) => own === policy.name) && Object.hasOwn(BALANCERS, policy.name)) return gatewayDispatcher(text);
  const pick = pickerOf(policy.name, policy.name === 'p2c' ? readOptions(policy, CHOICES).choices : 2);
  if (pick === undefined) {
    const known = [...new Set([...OWN, ...Object.keys(BALANCERS)])];
    throw new PlatformError('INVALID', `Cannot dispatch by "${text}", because there is no such policy; there are ${known.join(', ')}`, { text });
  }
  if (policy.name !== 'p2c') readOptions(policy, {});
  return { name, pick };
}

function pickerOf(name: string, choices: number): Dispatcher['pick'] | undefined {
  switch (name) {
    case 'random':
      return (replicas, _now, random) => random.integer(replicas.count);
    case 'round-robin': {
      let next = -1;
      return (replicas) => {
        next = (next + 1) % replicas.count;
        return next;
      };
    }
    case 'least-connections':
      return leastConnections;
    case 'p2c':
      return (replicas, _now, random) => {
        let best = random.integer(replicas.count);
        for (let choice = 1; choice < choices; choice += 1) {
          const other = random.integer(replicas.count);
          if ((replicas.pending[other] as number) < (replicas.pending[best] as number)) best = other;
        }
        return best;
      };
    case 'least-work-left':
      return (replicas, now) => pickLeastWorkLeft(replicas.freeAt, replicas.count, now);
    default:
      return undefined;
  }
}

/** Fewest requests in it; ties drawn at random, so that no replica is favoured. */
function leastConnections(replicas: Replicas, _now: Micros, random: RandomStream): number {
  let best = 0;
  let ties = 1;
  for (let index = 1; index < replicas.count; index += 1) {
    const difference = (replicas.pending[index] as number) - (replicas.pending[best] as number);
    if (difference < 0) {
      best = index;
      ties = 1;
    } else if (difference === 0) {
      ties += 1;
      if (random.integer(ties) === 0) best = index;
    }
  }
  return best;
}
