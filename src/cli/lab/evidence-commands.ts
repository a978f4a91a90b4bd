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
];
