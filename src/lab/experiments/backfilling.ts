import type { ReplayResult } from '../log-replay.ts';
import { replayLog } from '../log-replay.ts';
import { parseSwf } from '../swf.ts';
import type { Experiment } from './experiment.ts';
import { markdownTable, pageEnd } from './experiment.ts';

const FILE = 'KTH-SP2-1996.swf';

interface Line {
  readonly policy: string;
  /** The users' own, the true ones, or predicted from the user's jobs that have ended, never above what was asked for. */
  readonly estimates: 'user' | 'exact' | 'last-two';
  /** Mean bounded slowdown, largest flow time and largest bounded slowdown as published. */
  readonly published?: readonly [mean: number, maxFlow: number, maxSlowdown: number];
}

/** Published: the artifact of Gaussier, Glesser, Reis and Trystram, Improving Backfilling by using Machine Learning, SC 2015. */
const LINES: readonly Line[] = [
  { policy: 'fifo', estimates: 'user' },
  { policy: 'easy', estimates: 'user', published: [92.577, 309_231, 14_805.2] },
  { policy: 'easy', estimates: 'exact', published: [71.722, 356_843, 10_017.2] },
  { policy: 'easy-sjbf', estimates: 'user', published: [69.405, 372_238, 14_805.2] },
  { policy: 'easy-sjbf', estimates: 'exact', published: [49.848, 335_193, 9_941.7] },
  { policy: 'conservative', estimates: 'user' },
  { policy: 'conservative', estimates: 'exact' },
  { policy: 'easy', estimates: 'last-two' },
  { policy: 'easy-sjbf', estimates: 'last-two' },
  { policy: 'conservative', estimates: 'last-two' },
];

/** A year of a real parallel machine under backfilling, beside the published figures. */
export const backfilling: Experiment = {
  name: 'backfilling',
  title: 'Backfilling a year of a parallel machine',
  files: [FILE],
  tasks: () => [],
  page: (_results, files) => {
    const logs = { user: parseSwf(files[FILE] ?? '', { estimates: 'user' }), exact: parseSwf(files[FILE] ?? '', { estimates: 'exact' }) };
    const results = LINES.map(({ policy, estimates }) => {
      const { jobs, processors } = logs[estimates === 'exact' ? 'exact' : 'user'];
      return replayLog(jobs, { policy, processors, ...(estimates === 'last-two' ? { predictor: 'last-two' } : {}) });
    });
    const of = (policy: string, estimates: Line['estimates']) => results[LINES.findIndex((line) => line.policy === policy && line.estimates === estimates)];
    const [first, easy, predicted] = [of('fifo', 'user'), of('easy', 'user'), of('easy-sjbf', 'last-two')];
    return {
      pictures: {},
      markdown: [
        '# Backfilling a year of a parallel machine',
        `The log of the IBM SP2 at KTH, 1996 to 1997: ${logs.user.jobs.length} jobs on ${logs.user.processors} processors. First come, first served leaves processors idle while the first job waits for enough of them. ` +
          'EASY lets later jobs jump ahead if that does not delay the first; EASY-SJBF tries the shortest estimates first; conservative backfilling promises every job a start.',
        markdownTable(
          ['policy', 'estimates', '>mean bounded slowdown', '>published', '>difference', '>largest', '>published', '>longest flow', '>published', '>mean wait'],
          LINES.map((line, index) => rowOf(line, results[index] as ReplayResult)),
        ),
        first === undefined || easy === undefined || predicted === undefined
          ? ''
          : `One rule of a few lines takes the mean bounded slowdown from ${first.mean_bounded_slowdown.toFixed(0)} to ${easy.mean_bounded_slowdown.toFixed(1)} at the same utilisation, ${(100 * easy.utilisation).toFixed(1)} %. ` +
            `What is still to gain lies in the estimates: users ask for much more time than they need. Predicting a job as the mean of its user's last two (Tsafrir, Etsion and Feitelson 2007), and trying the shortest first, gives ${predicted.mean_bounded_slowdown.toFixed(1)}, ` +
            `but it has a price: the longest flow grows from ${easy.max_flow.toLocaleString('en')} s to ${predicted.max_flow.toLocaleString('en')} s, because a start that rests on a prediction is no promise.`,
        pageEnd('backfilling', [
          'A job is cut off at the time its user asked for, holds the processors it asked for, and is left out if it ran for no time: with these rules the published largest values come out exactly.',
          'Replaying a log assumes that users would have submitted the same jobs at the same moments under any policy.',
          'A job that outlasts its prediction is expected to need as much again as it was served, each time.',
          'Bounded slowdown counts jobs shorter than 10 s as if they were 10 s long.',
          'The log is from the Parallel Workloads Archive (Lars Malinowsky, KTH) and is not part of this repository: give --data the folder with it.',
        ]).replace('haven lab run backfilling', 'haven lab run backfilling --data FOLDER'),
      ].join('\n\n'),
    };
  },
};

function rowOf(line: Line, result: ReplayResult): readonly string[] {
  const [mean, flow, slowdown] = line.published ?? [];
  const whole = (value: number | undefined): string => (value === undefined ? '–' : value.toLocaleString('en'));
  return [
    line.policy,
    line.estimates,
    result.mean_bounded_slowdown.toFixed(3),
    mean === undefined ? '–' : mean.toFixed(3),
    mean === undefined ? '–' : `${(100 * (result.mean_bounded_slowdown / mean - 1)).toFixed(2)} %`,
    whole(result.max_bounded_slowdown),
    whole(slowdown),
    `${whole(result.max_flow)} s`,
    flow === undefined ? '–' : `${whole(flow)} s`,
    `${Math.round(result.mean_wait).toLocaleString('en')} s`,
  ];
}
