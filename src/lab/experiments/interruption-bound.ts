import type { Micros, QueuePolicy } from '#policy/queue/queue-policy';
import type { ListedJob } from '../job-source.ts';
import { ListSource, UNIT } from '../job-source.ts';
import { JobSimulation } from '../simulator.ts';

/** What an exhaustive walk through small cases found. */
export interface BoundReport {
  readonly cases: number;
  /** Cases in which a job was interrupted more often than its quanta allow, a worker was taken away in mid-slice, or a job never ended. */
  readonly breaches: readonly string[];
  readonly mostInterruptions: number;
}

const TENANTS = ['a', 'b', 'c'] as const;
const SIZES = [1, 3] as const;
const GAPS = [0, 1] as const;
const JOBS = 4;
const WORKERS = 2;
const QUANTUM: Micros = UNIT;
const SHOWN = 5;

/**
 * Tries every assignment of four jobs to three tenants, of two sizes, with or without a gap between arrivals, on two workers with a quantum of
 * one second. The bound: a job is interrupted only at the end of a whole quantum of useful service, so at most ⌈size / quantum⌉ − 1
 * times. As work is finite and every interruption has paid for itself with a quantum of it, preemption ends.
 */
export function walkInterruptions(makePolicy: () => QueuePolicy): BoundReport {
  const breaches: string[] = [];
  let cases = 0;
  let mostInterruptions = 0;
  for (const jobs of smallCases()) {
    cases += 1;
    let finished = 0;
    const simulation = new JobSimulation({
      policy: makePolicy(),
      source: new ListSource(jobs),
      workers: WORKERS,
      seed: 1,
      jobs: JOBS,
      window: 'all',
      observer: {
        finished: (task) => {
          finished += 1;
          const interruptions = task.slices - 1;
          mostInterruptions = Math.max(mostInterruptions, interruptions);
          if (interruptions > Math.ceil(task.size / QUANTUM) - 1) breaches.push(`${nameOf(jobs)}: ${task.id} was interrupted ${interruptions} times`);
        },
      },
    }).simulate();
    if (simulation.meter.preemptions > 0) breaches.push(`${nameOf(jobs)}: ${simulation.meter.preemptions} slices were cut short`);
    if (finished < JOBS) breaches.push(`${nameOf(jobs)}: only ${finished} jobs ended`);
    if (breaches.length > SHOWN) break;
  }
  return { cases, breaches, mostInterruptions };
}

function* smallCases(): Iterable<readonly ListedJob[]> {
  const choices = TENANTS.length * SIZES.length * GAPS.length;
  for (let code = 0; code < choices ** JOBS; code += 1) {
    let rest = code;
    let at = 0;
    const jobs: ListedJob[] = [];
    let isRepeated = false;
    for (let index = 0; index < JOBS; index += 1) {
      const tenant = TENANTS[rest % TENANTS.length] as string;
      rest = Math.floor(rest / TENANTS.length);
      const size = SIZES[rest % SIZES.length] as number;
      rest = Math.floor(rest / SIZES.length);
      const gap = GAPS[rest % GAPS.length] as number;
      rest = Math.floor(rest / GAPS.length);
      // Shifting all arrivals changes nothing: the first comes at once.
      if (index === 0 && gap > 0) isRepeated = true;
      at += index === 0 ? 0 : gap * UNIT;
      jobs.push({ at, size: size * UNIT, tenant });
    }
    if (!isRepeated) yield jobs;
  }
}

function nameOf(jobs: readonly ListedJob[]): string {
  return jobs.map((job) => `${job.tenant}${job.size / UNIT}@${job.at / UNIT}`).join(' ');
}
