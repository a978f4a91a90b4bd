import { printMicros } from '#policy/policy-string';
import { makeQueuePolicy } from '#policy/queue/policies';
import type { Micros } from '#policy/queue/queue-policy';
import { quantileOf } from './advise-replay.ts';
import type { ReplayTable } from './advise-table.ts';

/** Durations people write: one, two or five of each decade. */
const ROUND: readonly Micros[] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 60_000_000, 600_000_000, 3_600_000_000]
  .flatMap((unit) => [unit, 2 * unit, 5 * unit])
  .sort((a, b) => a - b);

/** Policies worth trying on a workload, the incumbent left out: quanta follow the sizes of its jobs. */
export function candidatePolicies(
  table: ReplayTable,
  options: { readonly incumbent: string; readonly mayInterrupt: boolean; readonly predictor: string },
): readonly string[] {
  const sizes = table.size.slice().sort();
  const quantum = roundMicros(quantileOf(sizes, 0.5));
  const isWide = table.width.some((width) => width > 1);
  // Conservative backfilling plans every start, and plans anew whenever a job overruns its estimate: without upper bounds it does little else.
  const isBounded = options.predictor === 'declared' && table.estimate.every((estimate, index) => estimate >= (table.size[index] as number));
  const wide = ['fifo', 'easy', 'easy-sjbf', ...(isBounded ? ['conservative'] : [])];
  const names = isWide ? wide : singleWorkerPolicies(table, quantum);
  const incumbent = makeQueuePolicy(options.incumbent).name;
  return names.filter((name) => {
    const policy = makeQueuePolicy(name);
    return policy.name !== incumbent && (options.mayInterrupt || policy.uses.preempt !== true);
  });
}

function singleWorkerPolicies(table: ReplayTable, quantum: Micros): readonly string[] {
  const first = printMicros(quantum);
  const levels = [quantum, 4 * quantum, 16 * quantum].map(printMicros).join(',');
  return [
    'fifo',
    'sjf',
    'hrrn',
    'srpt',
    `time-slice?quantum=${first}`,
    `las?quantum=${first}`,
    `mlfq?allotments=${levels}`,
    ...(table.tenants.length > 1 ? [`drr?quantum=${first}`, 'stride?quantum=none'] : []),
    ...(new Set(table.priority).size > 1 ? ['priority'] : []),
    ...(table.workers > 1 ? ['round-robin'] : []),
  ];
}

/** The nearest of the durations people write. */
export function roundMicros(micros: Micros): Micros {
  let best = ROUND[0] as number;
  for (const one of ROUND) if (Math.max(one / micros, micros / one) < Math.max(best / micros, micros / best)) best = one;
  return best;
}
