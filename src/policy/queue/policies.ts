import { PlatformError } from '#base/errors';
import type { OptionKinds, OptionsOf, PolicyString } from '../policy-string.ts';
import { canonicalPolicy, choiceOption, durationOption, listOption, numberOption, orUnlimited, parsePolicyString, readOptions } from '../policy-string.ts';
import { ConservativeBackfill } from './conservative-backfill.ts';
import { DeficitRoundRobin } from './deficit-round-robin.ts';
import { DominantResourceFairness } from './dominant-resource-fairness.ts';
import { earliestDeadline } from './earliest-deadline.ts';
import { EasyBackfill } from './easy-backfill.ts';
import { FairShare } from './fair-share.ts';
import { Fifo } from './fifo.ts';
import { GangLeastAttained } from './gang-least-attained.ts';
import { HighestResponseRatio } from './hrrn.ts';
import { lastFirst } from './last-first.ts';
import { LeastAttained } from './least-attained.ts';
import { Lottery } from './lottery.ts';
import { MultilevelFeedback } from './multilevel-feedback.ts';
import type { QueuePolicy } from './queue-policy.ts';
import { randomOrder } from './random-order.ts';
import { RoundRobin } from './round-robin.ts';
import { psjf, sjf, srpt } from './shortest-first.ts';
import { StrictPriority } from './strict-priority.ts';
import { Stride } from './stride.ts';
import { TimeSlice } from './time-slice.ts';

/** One line of the table: what the policy is, its options, and how it is made. */
export interface PolicyEntry {
  readonly about: string;
  readonly options: OptionKinds;
  make(name: string, policy: PolicyString): QueuePolicy;
}

const SLICE = { quantum: durationOption(100_000) };
const OPTIONAL_SLICE = { quantum: orUnlimited(durationOption(Number.POSITIVE_INFINITY), 'none') };
const TENANT_SLICE = { quantum: orUnlimited(durationOption(100_000), 'none') };
const PRIORITY = {
  order: choiceOption(['low-first', 'high-first']),
  preempt: choiceOption(['no', 'yes']),
  ...OPTIONAL_SLICE,
  ageing: orUnlimited(durationOption(Number.POSITIVE_INFINITY), 'never'),
};
const FEEDBACK = {
  allotments: listOption(durationOption(10_000), [10_000, 40_000, 160_000]),
  growth: orUnlimited(numberOption(Number.POSITIVE_INFINITY, { least: 1 }), 'none'),
  demote: choiceOption(['always', 'contended']),
  preempt: choiceOption(['yes', 'no']),
  boost: orUnlimited(durationOption(Number.POSITIVE_INFINITY), 'never'),
};
const GANG = { thresholds: listOption(durationOption(3_600_000_000), [3_600_000_000, 36_000_000_000]) };
const FAIR_SHARE = { 'half-life': durationOption(3_600_000_000), ...OPTIONAL_SLICE };

/** Every queue policy by name. */
export const POLICIES: Readonly<Record<string, PolicyEntry>> = {
  fifo: entry('first come, first served', {}, (name) => new Fifo(name)),
  lifo: entry('last come, first served', {}, (name) => lastFirst(name, false)),
  'lifo-preemptive': entry('last come, first served, interrupting', {}, (name) => lastFirst(name, true)),
  'random-order': entry('service in random order', {}, (name) => randomOrder(name)),
  'round-robin': entry('deals tasks to workers in turn', OPTIONAL_SLICE, (name, options) => new RoundRobin(name, options)),
  'time-slice': entry('turns of one quantum for all', SLICE, (name, options) => new TimeSlice(name, options)),
  sjf: entry('shortest job first by estimate', {}, (name) => sjf(name)),
  psjf: entry('shortest job first, interrupting', {}, (name) => psjf(name)),
  srpt: entry('shortest remaining time first', {}, (name) => srpt(name)),
  hrrn: entry('highest response ratio next', {}, (name) => new HighestResponseRatio(name)),
  las: entry('least attained service first', SLICE, (name, options) => new LeastAttained(name, options)),
  mlfq: entry('multi-level feedback', FEEDBACK, (name, options) => new MultilevelFeedback(name, options)),
  priority: entry('strict priority, with ageing', PRIORITY, (name, options) => new StrictPriority(name, options)),
  edf: entry('earliest deadline first', { preempt: choiceOption(['yes', 'no']) }, (name, options) => earliestDeadline(name, options.preempt === 'yes')),
  lottery: entry('draws among tenants by weight', TENANT_SLICE, (name, options) => new Lottery(name, options)),
  stride: entry('tenants in proportion to weight, exactly', TENANT_SLICE, (name, options) => new Stride(name, options)),
  drr: entry('weighted deficit round robin over tenants', SLICE, (name, options) => new DeficitRoundRobin(name, options)),
  'fair-share': entry('least decayed usage first', FAIR_SHARE, (name, options) => {
    return new FairShare(name, { halfLife: options['half-life'], quantum: options.quantum });
  }),
  easy: entry('first come first served with EASY backfilling', {}, (name) => new EasyBackfill(name, { order: 'submission' })),
  'easy-sjbf': entry('EASY backfilling, shortest estimates first', {}, (name) => new EasyBackfill(name, { order: 'shortest-first' })),
  conservative: entry('conservative backfilling: every task holds a planned start', {}, (name) => new ConservativeBackfill(name)),
  'gang-las': entry('gangs, least time × workers first, in levels', GANG, (name, options) => new GangLeastAttained(name, options)),
  drf: entry('dominant resource fairness', {}, (name) => new DominantResourceFairness(name)),
};

/** Makes a policy from its string. INVALID for an unknown name or option. */
export function makeQueuePolicy(text: string): QueuePolicy {
  const policy = parsePolicyString(text);
  const found = Object.hasOwn(POLICIES, policy.name) ? POLICIES[policy.name] : undefined;
  if (found === undefined) {
    throw new PlatformError(
      'INVALID',
      `Cannot use policy "${text}", because there is no queue policy "${policy.name}"; there are ${Object.keys(POLICIES).join(', ')}`,
      {
        text,
      },
    );
  }
  return found.make(canonicalPolicy(policy, found.options), policy);
}

function entry<Kinds extends OptionKinds>(about: string, options: Kinds, make: (name: string, options: OptionsOf<Kinds>) => QueuePolicy): PolicyEntry {
  return { about, options, make: (name, policy) => make(name, readOptions(policy, options)) };
}
