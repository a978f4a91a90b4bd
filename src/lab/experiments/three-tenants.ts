import { makeQueuePolicy } from '#policy/queue/policies';
import { quantileOf } from '../advise-replay.ts';
import { printSeconds } from '../compare-measures.ts';
import type { ListedJob } from '../job-source.ts';
import { ListSource, UNIT } from '../job-source.ts';
import { lineChart } from '../report/line-chart.ts';
import { standaloneSvg } from '../report/standalone-svg.ts';
import { printPart, printTick } from '../report/ticks.ts';
import { JobSimulation } from '../simulator.ts';
import type { Experiment } from './experiment.ts';
import { markdownTable, pageEnd } from './experiment.ts';
import { walkInterruptions } from './interruption-bound.ts';

const MINUTE = 60 * UNIT;
const GPUS = 8;
const SWITCH = 5 * UNIT;
const BUCKET = 10 * MINUTE;
const POLICIES = [
  'fifo',
  'time-slice?quantum=5m',
  'drr?quantum=5m',
  'stride?quantum=5m',
  'fair-share?half-life=1h&quantum=5m',
  'fair-share?half-life=1h',
] as const;
const TENANTS = ['ann', 'bob', 'cleo'] as const;
const BOUNDED = 'fair-share?half-life=10s&quantum=1s';

/** Ann fills the cluster for most of a day; Bob comes an hour later with an hour of work; Cleo needs five minutes now and then. */
function workload(): readonly ListedJob[] {
  const jobs: ListedJob[] = [];
  for (let index = 0; index < 160; index += 1) jobs.push({ at: 0, size: 30 * MINUTE, tenant: 'ann' });
  for (let index = 0; index < 48; index += 1) jobs.push({ at: 60 * MINUTE, size: 10 * MINUTE, tenant: 'bob' });
  for (let index = 0; index < 24; index += 1) jobs.push({ at: (10 + 20 * index) * MINUTE, size: 5 * MINUTE, tenant: 'cleo' });
  return jobs.sort((a, b) => a.at - b.at);
}

interface Outcome {
  readonly policy: string;
  readonly responses: ReadonlyMap<string, readonly number[]>;
  readonly shares: ReadonlyMap<string, readonly number[]>;
  readonly interruptions: number;
  readonly overhead: number;
  readonly makespan: number;
}

/** Three users of eight GPUs, one of whom came first with everything. */
export const threeTenants: Experiment = {
  name: 'three-tenants',
  title: 'Three tenants sharing by time slice',
  tasks: () => [],
  page: () => {
    const outcomes = POLICIES.map(observe);
    const report = walkInterruptions(() => makeQueuePolicy(BOUNDED));
    return {
      pictures: {
        'three-tenants.svg': standaloneSvg(
          ['fifo', 'time-slice?quantum=5m', 'stride?quantum=5m', 'fair-share?half-life=1h'].flatMap((policy) => picture(outcomes, policy)),
          2,
        ),
      },
      markdown: [
        '# Three tenants sharing by time slice',
        'Eight GPUs. Ann submits 160 jobs of 30 minutes at once; Bob comes an hour later with 48 jobs of 10 minutes; Cleo needs 5 minutes every 20 minutes. Giving a GPU to a job costs 5 seconds each time. ' +
          'This is the quarrel of every shared cluster: whoever came first has everything, and quotas leave GPUs idle.',
        markdownTable(
          [
            'policy',
            '>Ann, mean',
            '>Bob, mean',
            '>Bob, 99th',
            '>Cleo, mean',
            '>Cleo, 99th',
            '>Jain of slowdowns',
            '>interruptions per job',
            '>switching',
            '>all done',
          ],
          outcomes.map(rowOf),
        ),
        '![Share of the GPUs by tenant](three-tenants.svg)',
        'First come, first served makes Bob and Cleo wait for all that Ann submitted before them. Rotation by time slice lets everybody in, but counts jobs: with 160 of them Ann has most turns. ' +
          'Policies that count tenants give each its third, and what one does not use goes to the others, so that nothing is idle and the whole is done as early as switching allows. ' +
          'Fair share without a quantum waits for a running job to end instead of interrupting it: it costs Cleo up to half an hour and nobody any switching.',
        '## It stops preempting',
        'A fair share that preempts by comparing shares can preempt for ever: the one who is put out has the smaller share then, and puts out the other. Here a slice is charged to its tenant when it begins and is never cut short, ' +
          'so that every interruption has been paid for with a whole quantum of useful service. Work is finite, hence interruptions are: at most ⌈size / quantum⌉ − 1 for each job.',
        `Checked by walking through every case of four jobs of three tenants, two sizes, with and without gaps, on two workers: ${report.cases} cases under \`${BOUNDED}\`, ` +
          `${report.breaches.length} breaches, at most ${report.mostInterruptions} interruptions of a job whose bound is 2.`,
        pageEnd('three-tenants', [
          'Jobs need one GPU each; gangs are another matter.',
          'Deficit round robin spends by declared sizes, which are right here.',
          'An interrupted job keeps its memory: on real GPUs that limits how many can take turns.',
          'The walk is exhaustive for the cases named, and the argument above covers the others.',
        ]).replace(' ± is the 95 % confidence interval.', ''),
      ].join('\n\n'),
    };
  },
};

function observe(policy: string): Outcome {
  const jobs = workload();
  const responses = new Map<string, number[]>(TENANTS.map((tenant) => [tenant, []]));
  const shares = new Map<string, number[]>(TENANTS.map((tenant) => [tenant, []]));
  let interruptions = 0;
  const simulation = new JobSimulation({
    policy: makeQueuePolicy(policy),
    source: new ListSource(jobs),
    workers: GPUS,
    seed: 1,
    jobs: jobs.length,
    switchCost: SWITCH,
    switchMode: 'on-change',
    window: 'all',
    observer: {
      slice: (task, from, to) => addSlice(shares.get(task.tenant) ?? [], { from, to }),
      finished: (task, now) => {
        responses.get(task.tenant)?.push((now - task.submitted) / UNIT);
        interruptions += task.slices - 1;
      },
    },
  }).simulate();
  const { meter, lastDeparture } = simulation;
  return { policy, responses, shares, interruptions: interruptions / jobs.length, overhead: meter.overhead / meter.busy, makespan: lastDeparture / UNIT };
}

/** Spreads a slice over the buckets of time it touches. */
function addSlice(buckets: number[], { from, to }: { readonly from: number; readonly to: number }): void {
  for (let at = from; at < to; ) {
    const bucket = Math.floor(at / BUCKET);
    const end = Math.min(to, (bucket + 1) * BUCKET);
    buckets[bucket] = (buckets[bucket] ?? 0) + end - at;
    at = end;
  }
}

function rowOf(outcome: Outcome): readonly string[] {
  const of = (tenant: string): readonly number[] => [...(outcome.responses.get(tenant) ?? [])].sort((a, b) => a - b);
  const mean = (tenant: string): number => of(tenant).reduce((sum, value) => sum + value, 0) / of(tenant).length;
  return [
    `\`${outcome.policy}\``,
    printSeconds(mean('ann')),
    printSeconds(mean('bob')),
    printSeconds(quantileOf(of('bob'), 0.99)),
    printSeconds(mean('cleo')),
    printSeconds(quantileOf(of('cleo'), 0.99)),
    outcome.interruptions.toFixed(2),
    `${(100 * outcome.overhead).toFixed(1)} %`,
    printSeconds(outcome.makespan),
  ];
}

function picture(outcomes: readonly Outcome[], policy: string): readonly string[] {
  const outcome = outcomes.find((one) => one.policy === policy);
  if (outcome === undefined) return [];
  return [
    lineChart({
      title: `Share of the GPUs: ${policy}`,
      x: { label: 'hours', kind: 'linear', print: (value) => printTick(value, '') },
      y: { label: 'share', kind: 'linear', print: printPart, domain: [0, 1] },
      series: TENANTS.map((name) => ({
        name,
        points: Array.from(
          { length: Math.ceil((outcome.makespan * UNIT) / BUCKET) },
          (_, bucket) => [bucket / 6, (outcome.shares.get(name)?.[bucket] ?? 0) / (GPUS * BUCKET)] as const,
        ),
      })),
    }),
  ];
}
