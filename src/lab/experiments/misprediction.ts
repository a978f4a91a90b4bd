import type { Interval } from '../compare-interval.ts';
import { intervalOfRuns } from '../compare-interval.ts';
import { printSpread } from '../compare-measures.ts';
import { classesOfWorkload } from '../compare-workload.ts';
import { parseLaw } from '../laws.ts';
import { lineChart } from '../report/line-chart.ts';
import { standaloneSvg } from '../report/standalone-svg.ts';
import { printTick } from '../report/ticks.ts';
import type { Scenario, ScenarioResult } from '../scenario.ts';
import type { Experiment } from './experiment.ts';
import { markdownTable, pageEnd } from './experiment.ts';
import { meanResponseFifo, meanResponsePredicted, meanResponseSharing } from './theory.ts';

const LAWS = [
  { law: 'exp?mean=1', name: 'exponential sizes' },
  { law: 'bpareto?low=1&high=1000&alpha=1.5', name: 'heavy-tailed sizes' },
] as const;
const LOAD = 0.8;
const SEEDS = [1, 2, 3] as const;
const JOBS = 80_000;
const SIGMAS = [0, 0.25, 0.5, 1, 1.5, 2, 3] as const;
const GUESSING = ['sjf', 'psjf', 'srpt'] as const;
const BLIND = ['ps', 'las', 'fifo'] as const;
const EXACT_LOADS = [0.5, 0.8, 0.9] as const;

const EXACTLY = { model: 'exact', sigma: 0 } as const;

interface Run {
  readonly law: string;
  readonly policy: string;
  readonly load: number;
  readonly estimates: NonNullable<Scenario['estimates']>;
}

const RUNS: readonly Run[] = [
  ...LAWS.flatMap(({ law }) => [
    ...GUESSING.flatMap((policy) =>
      SIGMAS.map((sigma) => ({ law, policy, load: LOAD, estimates: sigma === 0 ? EXACTLY : { model: 'lognormal' as const, sigma } })),
    ),
    ...BLIND.map((policy) => ({ law, policy, load: LOAD, estimates: EXACTLY })),
  ]),
  ...EXACT_LOADS.map((load) => ({ law: 'exp?mean=1', policy: 'sjf', load, estimates: { model: 'exp' as const, sigma: 0 } })),
];

/** What wrong predictions cost the policies that live on them, beside those that need none. */
export const misprediction: Experiment = {
  name: 'misprediction',
  title: 'The price of misprediction',
  tasks: () =>
    RUNS.flatMap(({ law, policy, load, estimates }) =>
      SEEDS.map((seed) => ({
        kind: 'scenario' as const,
        scenario: { policy, classes: classesOfWorkload(`${law}&load=${load}`, { workers: 1 }), workers: 1, jobs: JOBS, warmup: JOBS / 10, seed, estimates },
      })),
    ),
  page: (results) => {
    const scenarios = results as readonly ScenarioResult[];
    const means = RUNS.map((_, index) =>
      intervalOfRuns(SEEDS.map((_seed, place) => scenarios[index * SEEDS.length + place]?.metrics['mean_response'] ?? { value: Number.NaN, halfWidth: 0 })),
    );
    const of: Find = (law, policy, sigma) =>
      means[RUNS.findIndex((run) => run.law === law && run.policy === policy && run.load === LOAD && run.estimates.sigma === sigma)];
    const exact = EXACT_LOADS.map((load, index) => ({ load, exact: meanResponsePredicted(load), measured: means[RUNS.length - EXACT_LOADS.length + index] }));
    return {
      pictures: {
        'misprediction.svg': standaloneSvg(
          LAWS.map((law) => picture(law, of)),
          2,
        ),
      },
      markdown: [
        '# The price of misprediction',
        `Shortest job first needs to know how long jobs are. Here every prediction is the true size times a lognormal error of spread σ (at σ = 1 a typical factor of 2, at σ = 2 of 4 either way), at load ${LOAD} on one worker. ` +
          'Sharing equally, least attained service and first come, first served never look at a prediction: their lines are flat.',
        '![Mean response by error](misprediction.svg)',
        ...LAWS.flatMap(({ law, name }) => [`## ${capital(name)} (${law})`, tableOf(law, of), wordsOf(law, of)]),
        '## Against exact values',
        'For exponential sizes predicted by an exponential around the true size, the mean response of shortest job first is known (Mitzenmacher 2019):',
        markdownTable(
          ['>load', '>simulated', '>exact', '>off'],
          exact.map(({ load, exact: value, measured }) => [
            String(load),
            shown(measured),
            value.toFixed(3),
            `${(100 * ((measured?.value ?? Number.NaN) / value - 1)).toFixed(1)} %`,
          ]),
        ),
        pageEnd('misprediction', [
          'Errors are independent of each other and of the size; real predictors are wrong about whole kinds of jobs at once.',
          'SRPT with wrong predictions lets an underestimated giant hold the worker, once its predicted rest is zero: that is the policy as it runs live, not a repaired variant.',
        ]),
      ].join('\n\n'),
    };
  },
};

type Find = (law: string, policy: string, sigma: number) => Interval | undefined;

function tableOf(law: string, of: Find): string {
  const head = ['>σ', ...GUESSING.map((policy) => `>${policy}`), ...BLIND.map((policy) => `>${policy}`)];
  return markdownTable(
    head,
    SIGMAS.map((sigma, index) => [
      String(sigma),
      ...GUESSING.map((policy) => shown(of(law, policy, sigma))),
      ...BLIND.map((policy) => (index === 0 ? shown(of(law, policy, 0)) : '″')),
    ]),
  );
}

function wordsOf(law: string, of: Find): string {
  const size = parseLaw(law);
  const sentences = GUESSING.map((policy) => {
    const beaten = BLIND.flatMap((blind) => {
      const flat = of(law, blind, 0)?.value ?? Number.NaN;
      const from = SIGMAS.find((sigma) => (of(law, policy, sigma)?.value ?? 0) > flat);
      return from === undefined ? [] : [`${blind} from σ = ${from}`];
    });
    return `\`${policy}\` is beaten by ${beaten.length === 0 ? 'none of the three, whatever σ was tried' : beaten.join(', ')}`;
  });
  return `${capital(sentences.join('; '))}. (Exact: ps ${meanResponseSharing(size, LOAD).toFixed(2)}, fifo ${meanResponseFifo(size, LOAD).toFixed(2)}.)`;
}

function picture({ law, name }: (typeof LAWS)[number], of: Find): string {
  const guessing = GUESSING.map((policy, colour) => ({
    name: policy,
    colour,
    hasMarks: true,
    points: SIGMAS.map((sigma) => [sigma, of(law, policy, sigma)?.value ?? 1] as const),
  }));
  const blind = BLIND.map((policy, index) => {
    const value = of(law, policy, 0)?.value ?? 1;
    return { name: policy, colour: GUESSING.length + index, isReference: true, points: [[0, value] as const, [SIGMAS.at(-1) ?? 0, value] as const] };
  });
  return lineChart({
    title: `Mean response, ${name}`,
    x: { label: 'spread σ of the error', kind: 'linear', print: (value) => printTick(value, '') },
    y: { label: 'mean response', kind: 'log', print: (value) => printTick(value, '') },
    series: [...guessing, ...blind],
    height: 400,
  });
}

function shown(interval: Interval | undefined): string {
  return interval === undefined ? '–' : `${interval.value.toFixed(2)}${printSpread(interval)}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
