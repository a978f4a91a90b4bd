import type { PolicySummary } from '../compare.ts';
import { summarise } from '../compare.ts';
import type { Measure } from '../compare-measures.ts';
import { MEASURES, printSpread, printValue } from '../compare-measures.ts';
import type { RunFigures } from '../compare-run.ts';
import { classesOfWorkload } from '../compare-workload.ts';
import type { Scenario } from '../scenario.ts';
import type { Experiment } from './experiment.ts';
import { markdownTable, pageEnd } from './experiment.ts';

interface Defeat {
  /** Who loses, to whom, in what, on which workload. */
  readonly loser: string;
  readonly winner: string;
  readonly measure: string;
  readonly workload: string;
  readonly workers?: number;
  readonly tenants?: readonly { readonly name: string; readonly weight: number }[];
  readonly setting?: Pick<Scenario, 'estimates' | 'switchCost'>;
  readonly why: string;
}

const HEAVY = 'bpareto?low=1&high=1000&alpha=1.5';
const SEEDS = [1, 2, 3] as const;
const JOBS = 80_000;

const DEFEATS: readonly Defeat[] = [
  {
    loser: 'fifo',
    winner: 'srpt',
    measure: 'mean_slowdown',
    workload: `${HEAVY}&load=0.8`,
    why: 'a job of a second waits behind one of a quarter of an hour',
  },
  {
    loser: 'round-robin',
    winner: 'fifo',
    measure: 'p99_response',
    workload: 'h2?mean=1&scv=10&load=0.8',
    workers: 4,
    why: 'it deals jobs to workers blindly, and one waits behind a giant while another worker is idle',
  },
  {
    loser: 'time-slice?quantum=200ms',
    winner: 'fifo',
    measure: 'mean_response',
    workload: 'det?mean=1&load=0.8',
    why: 'equal jobs that take turns all end late: nobody gains what the first in line loses',
  },
  {
    loser: 'time-slice?quantum=100ms',
    winner: 'fifo',
    measure: 'mean_response',
    workload: 'exp?mean=1&load=0.8',
    setting: { switchCost: 20_000 },
    why: 'a switch of a fifth of the quantum leaves the worker almost no time for work',
  },
  {
    loser: 'las',
    winner: 'fifo',
    measure: 'mean_response',
    workload: 'det?mean=1&load=0.8',
    why: 'it lets every newcomer pass, so that of equal jobs none ends before the queue is empty',
  },
  {
    loser: 'ps',
    winner: 'las',
    measure: 'mean_slowdown',
    workload: `${HEAVY}&load=0.8`,
    why: 'it gives the giants the same share as the small jobs that would be gone at once',
  },
  {
    loser: 'sjf',
    winner: 'time-slice?quantum=500ms',
    measure: 'mean_slowdown',
    workload: `${HEAVY}&load=0.5`,
    why: 'it knows all sizes and cannot interrupt: whoever comes after a giant has begun waits for its end',
  },
  {
    loser: 'sjf',
    winner: 'fifo',
    measure: 'max_response',
    workload: 'exp?mean=1&load=0.95',
    why: 'the largest is passed by everybody, for as long as there is anybody',
  },
  {
    loser: 'srpt',
    winner: 'ps',
    measure: 'largest_slowdown',
    workload: 'exp?mean=1&load=0.95',
    why: 'best on average, it makes the largest hundredth of the jobs pay',
  },
  {
    loser: 'srpt',
    winner: 'las',
    measure: 'mean_response',
    workload: `${HEAVY}&load=0.8`,
    setting: { estimates: { model: 'lognormal', sigma: 2 } },
    why: 'with predictions off by a typical factor of four, an underestimated giant holds the worker; least attained service asks nobody for a prediction',
  },
  {
    loser: 'mlfq?allotments=1s,3s',
    winner: 'fifo',
    measure: 'p99_response',
    workload: 'exp?mean=1&load=0.9',
    why: 'on exponential sizes the past says nothing about the rest: demotion only moves the wait to those who are unlucky',
  },
  {
    loser: 'hrrn',
    winner: 'srpt',
    measure: 'p99_slowdown',
    workload: `${HEAVY}&load=0.8`,
    why: 'it ages the large ones fairly and cannot interrupt them, so that the small ones wait all the same',
  },
  {
    loser: 'lifo-preemptive',
    winner: 'fifo',
    measure: 'p99_response',
    workload: 'exp?mean=1&load=0.9',
    why: 'whoever is interrupted waits for a whole busy period of strangers',
  },
  {
    loser: 'drr?quantum=1s',
    winner: 'las',
    measure: 'mean_slowdown',
    workload: `${HEAVY}&load=0.8`,
    tenants: [
      { name: 'a', weight: 4 },
      { name: 'b', weight: 1 },
    ],
    why: 'it is fair between tenants and blind within each: small jobs wait behind the giants of their own tenant',
  },
];

/** A workload for each policy on which it should not be used. */
export const whereEachLoses: Experiment = {
  name: 'where-each-loses',
  title: 'Where each policy loses',
  tasks: () =>
    DEFEATS.flatMap((defeat) =>
      [defeat.loser, defeat.winner].flatMap((policy) =>
        SEEDS.map((seed) => ({ kind: 'compare' as const, run: { scenario: scenarioOf(defeat, { policy, seed }) } })),
      ),
    ),
  page: (results) => {
    const figures = results as readonly RunFigures[];
    const rows = DEFEATS.map((defeat, index) => {
      const [loser, winner] = [0, 1].map((side) => {
        const from = (2 * index + side) * SEEDS.length;
        return summarise(figures.slice(from, from + SEEDS.length), 'seeds');
      });
      return rowOf(defeat, { loser, winner });
    });
    const held = rows.filter((row) => row.isDefeat).length;
    return {
      pictures: {},
      markdown: [
        '# Where each policy loses',
        'Every policy shipped here is the wrong choice for some workload. This page shows one for each, with a figure and the reason, so that nobody has to find out in production. ' +
          `${held} of ${rows.length} expected defeats came out as expected, beyond the intervals.`,
        markdownTable(
          ['policy', 'loses to', 'in', 'on', '>it', '>the other', '>factor', 'because'],
          rows.map((row) => row.cells),
        ),
        pageEnd('where-each-loses', [
          `${SEEDS.length} seeds of ${JOBS} jobs each; maxima of heavy tails vary a lot between seeds.`,
          'A defeat in one measure is no verdict: the same policy may be best in another, see [the three algorithms](three-algorithms.md).',
          'Placement policies have their own page of defeats with the experiment on GPU clusters.',
        ]),
      ].join('\n\n'),
    };
  },
};

function scenarioOf(defeat: Defeat, { policy, seed }: { readonly policy: string; readonly seed: number }): Scenario {
  const workers = defeat.workers ?? 1;
  const classes = classesOfWorkload(defeat.workload, { workers, ...(defeat.tenants === undefined ? {} : { tenants: defeat.tenants }) });
  return { policy, classes, workers, jobs: JOBS, warmup: JOBS / 10, seed, ...defeat.setting };
}

function rowOf(
  defeat: Defeat,
  sides: { readonly loser: PolicySummary | undefined; readonly winner: PolicySummary | undefined },
): { readonly cells: readonly string[]; readonly isDefeat: boolean } {
  const measure: Measure | undefined = MEASURES.find((one) => one.key === defeat.measure);
  const none = { value: Number.NaN, halfWidth: 0 };
  const [worse, better] = [sides.loser?.metrics[defeat.measure] ?? none, sides.winner?.metrics[defeat.measure] ?? none];
  const unit = measure?.unit ?? '';
  const factor = worse.value / better.value;
  const workers = defeat.workers === undefined ? '' : `, ${defeat.workers} workers`;
  const cost = defeat.setting?.switchCost === undefined ? '' : `, switch ${defeat.setting.switchCost / 1_000} ms`;
  const errors = defeat.setting?.estimates === undefined ? '' : `, predictions σ = ${defeat.setting.estimates.sigma}`;
  // Seeds come in pairs: both policies saw the same jobs.
  const isDefeat = SEEDS.every(
    (_, index) =>
      (sides.loser?.runs[index]?.metrics[defeat.measure]?.value ?? 0) > (sides.winner?.runs[index]?.metrics[defeat.measure]?.value ?? Number.POSITIVE_INFINITY),
  );
  return {
    isDefeat,
    cells: [
      defeat.loser,
      defeat.winner,
      measure?.label ?? defeat.measure,
      `${defeat.workload}${workers}${cost}${errors}`,
      `${printValue(worse.value, unit)}${printSpread(worse)}`,
      `${printValue(better.value, unit)}${printSpread(better)}`,
      `${factor.toFixed(1)}${isDefeat ? '' : ' (not clear)'}`,
      defeat.why,
    ],
  };
}
