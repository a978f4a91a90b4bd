import { PlatformError } from '#base/errors';
import { integerOption, parsePolicyString, printPolicyString, readOptions } from '#policy/policy-string';
import type { RandomStream } from './random-stream.ts';

/** What a dispatcher may look at: per replica, requests in it, and the moment it will have finished all of them. */
export interface Replicas {
  readonly count: number;
  readonly pending: Int32Array;
  readonly freeAt: Float64Array;
}

/** Chooses the replica of a request the moment it arrives. `size` is its declared cost. Never allocates. */
export interface Dispatcher {
  readonly name: string;
  pick(replicas: Replicas, now: number, size: number, random: RandomStream): number;
}

const CHOICES = { choices: integerOption(2, { least: 1, most: 1_000 }) };

/** Dispatchers by name; `p2c` is power of two choices. */
export const DISPATCHER_NAMES = ['random', 'round-robin', 'least-connections', 'p2c', 'least-work-left', 'join-idle-queue'] as const;

/** Makes a dispatcher from its string: `p2c?choices=3`. INVALID for an unknown name or option. */
export function makeDispatcher(text: string): Dispatcher {
  const policy = parsePolicyString(text);
  const name = printPolicyString(policy);
  const pick = pickerOf(policy.name, policy.name === 'p2c' ? readOptions(policy, CHOICES).choices : 2);
  if (pick === undefined) {
    throw new PlatformError('INVALID', `Cannot dispatch by "${text}", because there is no such policy; there are ${DISPATCHER_NAMES.join(', ')}`, { text });
  }
  if (policy.name !== 'p2c') readOptions(policy, {});
  return { name, pick };
}

function pickerOf(name: string, choices: number): Dispatcher['pick'] | undefined {
  switch (name) {
    case 'random':
      return (replicas, _now, _size, random) => random.integer(replicas.count);
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
      return (replicas, _now, _size, random) => {
        let best = random.integer(replicas.count);
        for (let choice = 1; choice < choices; choice += 1) {
          const other = random.integer(replicas.count);
          if ((replicas.pending[other] as number) < (replicas.pending[best] as number)) best = other;
        }
        return best;
      };
    case 'least-work-left':
      return leastWorkLeft;
    case 'join-idle-queue':
      return (replicas, _now, _size, random) => {
        const idle = replicas.pending.indexOf(0);
        return idle === -1 ? random.integer(replicas.count) : idle;
      };
    default:
      return undefined;
  }
}

/** Fewest requests in it; ties drawn at random, so that no replica is favoured. */
function leastConnections(replicas: Replicas, _now: number, _size: number, random: RandomStream): number {
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

/** Earliest free; ties to the lowest index. */
function leastWorkLeft(replicas: Replicas, now: number): number {
  let best = 0;
  for (let index = 1; index < replicas.count; index += 1) {
    if (Math.max(now, replicas.freeAt[index] as number) < Math.max(now, replicas.freeAt[best] as number)) best = index;
  }
  return best;
}
