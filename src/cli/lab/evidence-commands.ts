import type { LabCommand } from './register.ts';
import { WORKLOAD_FLAGS } from './workload-flags.ts';

/** Commands that compare, advise and experiment. */
export const EVIDENCE_COMMANDS: readonly LabCommand[] = [
  {
    usage: 'compare',
    summary: 'several policies on one workload: figures with their confidence, and where each wins and loses',
    options: [
      ['--policies <list>', 'queue policies joined by commas'],
      ...WORKLOAD_FLAGS,
      ['--seed <n>', 'the first seed'],
      ['--seeds <n>', 'how many runs of each policy; of a trace, the trace itself and resamples of it'],
      ['--capacity <n>', 'most jobs in the system'],
      ['--patience <law>', 'how long a job waits before it leaves'],
      ['--failures <law,law>', 'time up and time down of each worker'],
      ['--setup <law>', 'cold start of an idle worker'],
      ['--html <file>', 'writes a report as one page'],
      ['--csv [file]', 'writes all figures as CSV, to stdout without a file'],
      ['--svg [file]', 'writes the pictures as SVG, to stdout without a file'],
    ],
    example:
      "haven lab compare --workload 'bpareto?low=1&high=1000&alpha=1.5&load=0.8' --policies 'fifo,sjf,time-slice?quantum=1s,srpt' --seeds 5 --html report.html",
    load: () => import('./compare.ts'),
  },
  {
    usage: 'advise <log>',
    summary: 'which policy a recorded workload should run under, with the two strongest arguments against; refuses when it cannot know',
    options: [
      ['--incumbent <policy>', 'the policy it was recorded under, if the log does not say'],
      ['--servers <n>', 'workers, if the log does not say'],
      ['--policies <list>', 'what to try instead of the usual candidates'],
      ['--predictor <name>', 'who predicts sizes: declared (if the log has them for all), or from the past last-two, ewma, p90'],
      ['--closed', 'late answers delay the next job of the same tenant, by its recorded think time'],
      ['--no-preempt', 'only policies that never interrupt a job'],
      ['--switch-cost <duration>', 'cost of giving a worker to a task'],
      ['--resamples <n>', 'how many resamples of the log the confidence rests on'],
      ['--save <file>', 'keeps the prediction for --recheck'],
      ['--recheck <file>', 'compares this log, recorded after the change, with a kept prediction'],
    ],
    example: 'haven lab advise jobs.jsonl --save prediction.json',
    load: () => import('./advise.ts'),
  },
  {
    usage: 'record <file>',
    summary: 'runs one policy on a workload and writes the job log that advise reads',
    options: [['--policy <policy>', 'queue policy'], ...WORKLOAD_FLAGS, ['--seed <n>', 'seed of all luck']],
    example: "haven lab record jobs.jsonl --policy fifo --workload 'h2?scv=10&load=0.8' --servers 2 --jobs 20000",
    load: () => import('./record.ts'),
  },
  {
    usage: 'capacity',
    summary: 'how many workers a target needs, by simulation, with a bracket and its confidence',
    options: [
      ['--target <target>', 'such as p99_response<=2s, mean_wait<=10ms or p95_slowdown<=5'],
      ['--policy <policy>', 'queue policy'],
      ...WORKLOAD_FLAGS,
      ['--seed <n>', 'the first seed'],
      ['--seeds <n>', 'runs of each number of workers'],
      ['--most <n>', 'the most workers to try'],
    ],
    example: "haven lab capacity --arrivals 'poisson?rate=40' --sizes 'lognormal?mean=0.2&scv=4' --target 'p99_response<=1s'",
    load: () => import('./capacity.ts'),
  },
  {
    usage: 'run [experiment]',
    summary: 'regenerates the page of an experiment; without a name, lists them',
    options: [
      ['--out <folder>', 'where the page goes, docs/experiments unless told'],
      ['--data <folder>', 'where the traces are that the experiment needs'],
    ],
    example: 'haven lab run three-algorithms',
    load: () => import('./run.ts'),
  },
];
