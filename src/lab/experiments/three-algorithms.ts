import { printMicros } from '#policy/policy-string';
import type { PolicySummary } from '../compare.ts';
import { summarise } from '../compare.ts';
import { printSpread } from '../compare-measures.ts';
import type { RunFigures } from '../compare-run.ts';
import { classesOfWorkload } from '../compare-workload.ts';
import { parseLaw } from '../laws.ts';
import { lineChart } from '../report/line-chart.ts';
import { standaloneSvg } from '../report/standalone-svg.ts';
import { printTick } from '../report/ticks.ts';
import type { Experiment, ExperimentTask } from './experiment.ts';
import { markdownTable, pageEnd } from './experiment.ts';
import { meanResponseFifo, meanResponseSharing, meanResponseTurns } from './theory.ts';

const LAWS = ['det?mean=1', 'exp?mean=1', 'h2?mean=1&scv=4', 'h2?mean=1&scv=10', 'bpareto?low=1&high=1000&alpha=1.5'] as const;
const LOADS = [0.5, 0.8, 0.95] as const;
const SEEDS = [1, 2, 3, 4, 5] as const;
const JOBS = 800_000;
const MANY = 4;
const TURN_QUANTA = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10] as const;
const TURN_OVERHEADS = [0, 0.01, 0.05] as const;
const TURN_LOAD = 0.8;
/** Sizes that vary so much that turns pay, with the overhead at which they also cost. */
const VARIED = 'h2?mean=1&scv=10';
const VARIED_QUANTA = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50] as const;
const VARIED_OVERHEAD = 0.01;

interface Cell {
  readonly law: string;
  readonly load: number;
  readonly workers: number;
  readonly policy: string;
}

const CELLS: readonly Cell[] = [1, MANY].flatMap((workers) =>
  LAWS.flatMap((law) => LOADS.flatMap((load) => policiesOf(law, workers).map((policy) => ({ law, load, workers, policy })))),
);
const TURNS = TURN_OVERHEADS.flatMap((overhead) =>
  TURN_QUANTA.filter((quantum) => turnsTheory(quantum, overhead) !== undefined).map((quantum) => ({ quantum, overhead })),
);

/** Round robin, shortest job first and time slices on five size laws and three loads, and what a quantum costs. */
export const threeAlgorithms: Experiment = {
  name: 'three-algorithms',
  title: 'Round robin, shortest job first, time slices',
  tasks: () => [
    ...CELLS.flatMap((cell) => SEEDS.map((seed) => taskOf(cell, seed))),
    ...TURNS.flatMap((turn) => SEEDS.map((seed) => turnTask('exp?mean=1', { ...turn, seed }))),
    ...VARIED_QUANTA.flatMap((quantum) => SEEDS.map((seed) => turnTask(VARIED, { quantum, overhead: VARIED_OVERHEAD, seed }))),
  ],
  page: (results) => {
    const figures = results as readonly RunFigures[];
    const summaries = CELLS.map((_, index) => summarise(figures.slice(index * SEEDS.length, (index + 1) * SEEDS.length), 'seeds'));
    const of = (cell: Omit<Cell, 'policy'>, policy: string): PolicySummary | undefined =>
      summaries[CELLS.findIndex((one) => one.law === cell.law && one.load === cell.load && one.workers === cell.workers && one.policy === policy)];
    const first = CELLS.length * SEEDS.length;
    const turns = TURNS.map((turn, index) => {
      const summary = summarise(figures.slice(first + index * SEEDS.length, first + (index + 1) * SEEDS.length), 'seeds');
      const exact = turnsTheory(turn.quantum, turn.overhead) ?? Number.NaN;
      return { ...turn, exact, measured: summary?.metrics['mean_response'] ?? { value: Number.NaN, halfWidth: 0 } };
    });
    const varied = VARIED_QUANTA.map((quantum, index) => {
      const from = first + (TURNS.length + index) * SEEDS.length;
      return {
        quantum,
        measured: summarise(figures.slice(from, from + SEEDS.length), 'seeds')?.metrics['mean_response'] ?? { value: Number.NaN, halfWidth: 0 },
      };
    });
    const lowest = varied.reduce((least, one) => (one.measured.value < least.measured.value ? one : least));
    const worst = Math.max(...turns.map((turn) => Math.abs(turn.measured.value / turn.exact - 1)));
    return {
      pictures: { 'three-algorithms-by-law.svg': lawPicture(of), 'three-algorithms-quantum.svg': quantumPicture(turns, varied) },
      markdown: [
        '# Round robin, shortest job first, time slices',
        'Which of the three is best? It depends on how job sizes vary, on the load, and on what you count. All three are the policy objects that run live; here they serve the same ' +
          `jobs, ${JOBS.toLocaleString('en')} in each of ${SEEDS.length} runs, the first tenth not measured. Times are in mean job sizes.`,
        '## One worker',
        'Round robin over workers has nothing to choose here: it is first come, first served. The exact columns are Pollaczek-Khinchine and processor sharing, which time slices approach as the quantum shrinks; ' +
          'the quantum is a fifth of the mean size.',
        markdownTable(
          ['sizes', '>load', '>round robin', '>exact', '>shortest first', '>time slice', '>exact for q → 0', '>SRPT', 'best mean', 'best 99th percentile'],
          LAWS.flatMap((law) => LOADS.map((load) => oneWorkerRow({ law, load }, of))),
        ),
        '![Mean response by size law](three-algorithms-by-law.svg)',
        'Equal sizes: turns only delay everybody, and round robin is as good as knowing all sizes. Exponential sizes: turns change nothing on average. Sizes that vary more than that: ' +
          'waiting behind a giant is what hurts, and time slices beat first come, first served without knowing anything, and at moderate load even shortest job first, which cannot interrupt the giant.',
        `## ${MANY} workers`,
        'Round robin deals jobs to workers in turn and never moves one again; the others share one queue. Mean response / 99th percentile / mean slowdown.',
        markdownTable(
          ['sizes', '>load', '>round robin', '>first come', '>shortest first', '>time slice'],
          LAWS.flatMap((law) => LOADS.map((load) => manyWorkersRow({ law, load }, of))),
        ),
        'Dealing in turn pays for what it cannot see: a short job waits behind a giant while another worker is idle. One shared queue is the first thing to win, before any cleverness about sizes.',
        '## What a quantum costs',
        `Exponential sizes, load ${TURN_LOAD}, one worker; each turn begins with an overhead. Small quanta drown in it, large ones approach first come, first served; for exponential sizes an exact formula exists ` +
          `(K = ⌈S/q⌉ is geometric, and the order does not change the queue length). Every point is within ${(100 * worst).toFixed(1)} % of it, the worst where switching brings the load close to one.`,
        '![Mean response by quantum](three-algorithms-quantum.svg)',
        markdownTable(
          ['>quantum', '>overhead per turn', '>measured', '>exact', '>off'],
          turns.map((turn) => [
            String(turn.quantum),
            String(turn.overhead),
            `${turn.measured.value.toFixed(3)}${printSpread(turn.measured)}`,
            turn.exact.toFixed(3),
            `${(100 * (turn.measured.value / turn.exact - 1)).toFixed(1)} %`,
          ]),
        ),
        `With sizes that vary more (${VARIED}) the curve is a U: at an overhead of ${VARIED_OVERHEAD} the best of the tried quanta is ${lowest.quantum} mean sizes, with a mean response of ` +
          `${lowest.measured.value.toFixed(2)}${printSpread(lowest.measured)}; below it switching eats the gain, above it small jobs wait behind large ones as under first come, first served ` +
          `(exactly ${meanResponseFifo(parseLaw(VARIED), TURN_LOAD).toFixed(0)} without overhead).`,
        markdownTable(
          ['>quantum', '>measured'],
          varied.map((one) => [String(one.quantum), `${one.measured.value.toFixed(2)}${printSpread(one.measured)}`]),
        ),
        pageEnd('three-algorithms', [
          'Shortest job first and SRPT know the true sizes here; what wrong sizes cost is in [the price of misprediction](misprediction.md).',
          `At load 0.95 and heavy tails ${JOBS.toLocaleString('en')} jobs are few: trust the order more than the digits, and read the intervals.`,
          'Arrivals are Poisson; bursts make every mean worse and the differences larger.',
        ]),
      ].join('\n\n'),
    };
  },
};

function policiesOf(law: string, workers: number): readonly string[] {
  return [workers === 1 ? 'fifo' : 'round-robin', ...(workers === 1 ? [] : ['fifo']), 'sjf', sliceOf(law), ...(workers === 1 ? ['srpt'] : [])];
}

function sliceOf(law: string): string {
  return `time-slice?quantum=${printMicros(Math.round((parseLaw(law).mean / 5) * 1e6))}`;
}

function taskOf({ law, load, workers, policy }: Cell, seed: number): ExperimentTask {
  const classes = classesOfWorkload(`${law}&load=${load}`, { workers });
  return { kind: 'compare', run: { scenario: { policy, classes, workers, jobs: JOBS, warmup: JOBS / 10, seed } } };
}

function turnTask(law: string, { quantum, overhead, seed }: { readonly quantum: number; readonly overhead: number; readonly seed: number }): ExperimentTask {
  const classes = classesOfWorkload(`${law}&load=${TURN_LOAD}`, { workers: 1 });
  const policy = `time-slice?quantum=${printMicros(quantum * 1e6)}`;
  return { kind: 'compare', run: { scenario: { policy, classes, workers: 1, jobs: JOBS, warmup: JOBS / 10, seed, switchCost: overhead * 1e6 } } };
}

function turnsTheory(quantum: number, overhead: number): number | undefined {
  return meanResponseTurns({ rate: TURN_LOAD, mean: 1, quantum, overhead });
}

type Find = (cell: Omit<Cell, 'policy'>, policy: string) => PolicySummary | undefined;

function inMeans(law: string, summary: PolicySummary | undefined, key = 'mean_response'): string {
  const interval = summary?.metrics[key];
  if (interval === undefined) return '–';
  return `${(interval.value / parseLaw(law).mean).toFixed(2)}${printSpread(interval)}`;
}

function oneWorkerRow({ law, load }: { readonly law: string; readonly load: number }, of: Find): readonly string[] {
  const size = parseLaw(law);
  const cell = { law, load, workers: 1 };
  const named = [
    ['round robin', of(cell, 'fifo')],
    ['shortest first', of(cell, 'sjf')],
    ['time slice', of(cell, sliceOf(law))],
  ] as const;
  const best = (key: string): string => {
    const values = named.map(([name, summary]) => [name, summary?.metrics[key]?.value ?? Number.POSITIVE_INFINITY] as const);
    const least = Math.min(...values.map(([, value]) => value));
    return values
      .filter(([, value]) => value <= least * 1.02)
      .map(([name]) => name)
      .join(', ');
  };
  return [
    law,
    String(load),
    inMeans(law, named[0][1]),
    (meanResponseFifo(size, load) / size.mean).toFixed(2),
    inMeans(law, named[1][1]),
    inMeans(law, named[2][1]),
    (meanResponseSharing(size, load) / size.mean).toFixed(2),
    inMeans(law, of(cell, 'srpt')),
    best('mean_response'),
    best('p99_response'),
  ];
}

function manyWorkersRow({ law, load }: { readonly law: string; readonly load: number }, of: Find): readonly string[] {
  const mean = parseLaw(law).mean;
  const cells = ['round-robin', 'fifo', 'sjf', sliceOf(law)].map((policy) => {
    const metrics = of({ law, load, workers: MANY }, policy)?.metrics;
    const value = (key: string, unit: number): string => ((metrics?.[key]?.value ?? Number.NaN) / unit).toFixed(2);
    return `${value('mean_response', mean)} / ${value('p99_response', mean)} / ${value('mean_slowdown', 1)}`;
  });
  return [law, String(load), ...cells];
}

function lawPicture(of: Find): string {
  const chart = (load: number): string =>
    lineChart({
      title: `Mean response at load ${load}, one worker`,
      x: {
        label: 'size law: 1 equal, 2 exponential, 3 and 4 hyper-exponential (variance 4, 10), 5 heavy tail',
        kind: 'linear',
        print: (value) => printTick(value, ''),
        domain: [0.8, 5.2],
      },
      y: { label: 'mean response in mean sizes', kind: 'log', print: (value) => printTick(value, '') },
      series: (
        [
          ['round robin', () => 'fifo'],
          ['shortest job first', () => 'sjf'],
          ['time slice', sliceOf],
          ['SRPT', () => 'srpt'],
        ] as const
      ).map(([name, policy]) => ({
        name,
        hasMarks: true,
        points: LAWS.map(
          (law, index) => [index + 1, (of({ law, load, workers: 1 }, policy(law))?.metrics['mean_response']?.value ?? 1) / parseLaw(law).mean] as const,
        ),
      })),
    });
  return standaloneSvg([chart(0.8), chart(0.95)], 2);
}

function quantumPicture(
  turns: readonly { readonly quantum: number; readonly overhead: number; readonly exact: number; readonly measured: { readonly value: number } }[],
  varied: readonly { readonly quantum: number; readonly measured: { readonly value: number } }[],
): string {
  const series = TURN_OVERHEADS.flatMap((overhead, colour) => {
    const own = turns.filter((turn) => turn.overhead === overhead);
    const fine = Array.from({ length: 121 }, (_, index) => 0.05 * 200 ** (index / 120));
    const exact = fine.flatMap((quantum) => {
      const value = turnsTheory(quantum, overhead);
      return value === undefined || value > 40 ? [] : [[quantum, value] as const];
    });
    return [
      { name: `exact, overhead ${overhead}`, points: exact, colour },
      {
        name: `simulated, overhead ${overhead}`,
        points: own.filter((turn) => turn.measured.value <= 40).map((turn) => [turn.quantum, turn.measured.value] as const),
        colour,
        isDotsOnly: true,
      },
    ];
  });
  return standaloneSvg(
    [
      lineChart({
        title: 'Exponential sizes: theory and simulation',
        x: { label: 'quantum in mean sizes', kind: 'log', print: (value) => printTick(value, '') },
        y: { label: 'mean response in mean sizes', kind: 'log', print: (value) => printTick(value, '') },
        series,
        height: 380,
      }),
      lineChart({
        title: `Sizes that vary more (${VARIED}), overhead ${VARIED_OVERHEAD}: simulation`,
        x: { label: 'quantum in mean sizes', kind: 'log', print: (value) => printTick(value, '') },
        y: { label: 'mean response in mean sizes', kind: 'log', print: (value) => printTick(value, '') },
        series: [{ name: 'simulated', points: varied.map((one) => [one.quantum, one.measured.value] as const), hasMarks: true, colour: 1 }],
        hasNoLegend: true,
        height: 380,
      }),
    ],
    2,
  );
}
