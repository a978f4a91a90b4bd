import type { Command } from 'commander';
import { EVIDENCE_COMMANDS } from './evidence-commands.ts';

/** What an action of the lab gets from the command line. */
export interface LabInput {
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
  readonly signal: AbortSignal;
}

/** Resolves to the exit code. */
export type LabAction = (input: LabInput) => Promise<number>;

/** One command of the lab; its code is loaded only when it runs. */
export interface LabCommand {
  readonly usage: string;
  readonly summary: string;
  readonly options?: readonly (readonly [flags: string, description: string])[];
  readonly example: string;
  readonly load: () => Promise<{ readonly run: LabAction }>;
}

const WORKLOAD_OPTIONS = [
  ['--arrivals <law>', 'poisson?rate=0.8, or gaps from a law: det?mean=1'],
  ['--sizes <law>', 'service times: exp?mean=1, bpareto?low=1&high=1000&alpha=1.5, …; numbers are seconds'],
  ['--classes <list>', "several classes instead: 'poisson?rate=0.3 exp?mean=1 weight=4 priority=0; poisson?rate=0.5 exp?mean=2'"],
  ['--servers <n>', 'workers'],
  ['--jobs <n>', 'jobs in all'],
  ['--warmup <n>', 'first jobs that are not measured'],
] as const;

const COMMANDS: readonly LabCommand[] = [
  {
    usage: 'simulate',
    summary: 'one queue, one policy: the numbers theory can check',
    options: [
      ['--policy <policy>', 'queue policy, such as sjf or time-slice?quantum=100ms; ps, dps and las share exactly'],
      ...WORKLOAD_OPTIONS,
      ['--seed <n>', 'seed of all luck'],
      ['--closed <customers>', 'a closed loop: this many customers that think'],
      ['--think <law>', 'think time in a closed loop'],
      ['--switch-cost <duration>', 'cost of giving a worker to a task'],
      ['--switch-mode <mode>', 'every-slice or on-change'],
      ['--setup <law>', 'cold start of an idle worker'],
      ['--capacity <n>', 'most jobs in the system'],
      ['--patience <law>', 'how long a job waits before it leaves'],
      ['--dispatch <policy>', 'bind requests to replicas on arrival: round-robin, least-connections, p2c?choices=2, …'],
      ['--estimates <model>', 'exact, exp, lognormal:SIGMA, or predicted from ended jobs: last-two, ewma, p90'],
      ['--failures <law,law>', 'time up and time down of each worker'],
    ],
    example: "haven lab simulate --policy sjf --arrivals 'poisson?rate=0.8' --sizes 'exp?mean=1' --jobs 1000000 --warmup 100000 --seed 1 --json",
    load: () => import('./simulate.ts'),
  },
  {
    usage: 'check <file>',
    summary: 'compares the simulator with a table of exact values of queueing theory',
    options: [
      ['--jobs <n>', 'jobs of one run'],
      ['--seeds <n>', 'runs per queue, fewer when the interval is narrow'],
      ['--family <text>', 'only policies whose name contains this'],
    ],
    example: 'haven lab check queueing-reference.csv',
    load: () => import('./check.ts'),
  },
  {
    usage: 'textbook <file>',
    summary: 'runs the cases of a textbook file and compares every number and Gantt chart',
    example: 'haven lab textbook textbook.json',
    load: () => import('./textbook.ts'),
  },
  {
    usage: 'gantt',
    summary: 'a handful of jobs as the textbook picture',
    options: [
      ['--jobs <list>', 'name:arrival:burst[:priority], joined by commas'],
      ['--policies <list>', 'queue policies joined by commas; numbers are seconds'],
    ],
    example: "haven lab gantt --jobs P1:0:24,P2:0:3,P3:0:3 --policies 'fifo,sjf,time-slice?quantum=4s'",
    load: () => import('./gantt.ts'),
  },
  ...EVIDENCE_COMMANDS,
  {
    usage: 'swf <log>',
    summary: 'replays a log of parallel jobs in the Standard Workload Format, gz or not',
    options: [
      ['--policy <policy>', 'easy, easy-sjbf, conservative, fifo, …'],
      ['--estimates <whose>', 'user, exact, or predicted from the user’s ended jobs: last-two, ewma, p90'],
      ['--processors <n>', 'instead of what the header states'],
      ['--arrival-scale <factor>', 'multiplies submission times: 0.6 raises the load'],
      ['--tau <duration>', 'threshold of the bounded slowdown'],
      ['--seed <n>', 'seed of policies that draw'],
    ],
    example: 'haven lab swf KTH-SP2-1996.swf --policy easy --json',
    load: () => import('./swf.ts'),
  },
  {
    usage: 'openb <nodes> <pods>',
    summary: 'places the pods of the openb GPU trace on its nodes until more is asked for than there is',
    options: [
      ['--policy <policy>', 'placement policy, such as fgd, best-fit?exponent=10, balanced-allocation or random; ?tie=random&sample=500'],
      ['--seeds <range>', 'runs: 42..51, or 42,43'],
      ['--demand <percent>', 'GPUs asked for in all, per cent of those there are'],
      ['--defragment <moves>', 'then plans up to this many moves of pods that make GPUs usable again'],
      ['--lifetimes', 'instead, over time: pods come and leave when the trace says'],
      ['--arrival-scale <factor>', 'with --lifetimes, multiplies times of arrival: 0.5 raises the load'],
      ['--order <order>', 'with --lifetimes, skip or fifo: whether pods that fit overtake waiting ones'],
    ],
    example: 'haven lab openb openb_node_list_gpu_node.csv openb_pod_list_default.csv --policy fgd --seeds 42..44 --json',
    load: () => import('./openb.ts'),
  },
  {
    usage: 'dispatch <trace>',
    summary: 'serves the requests of an LLM trace on replicas: which balancing is best',
    options: [
      ['--replicas <n>', 'how many replicas'],
      [
        '--policy <list>',
        'round-robin, random, p2c?choices=2, least-connections, least-work-left, any of the gateway such as peak-ewma, or one queue: central-sjf',
      ],
      ['--context-ms <ms>', 'cost of a context token, 0.2 unless told'],
      ['--output-ms <ms>', 'cost of an output token, 20 unless told'],
      ['--seed <n>', 'seed of policies that draw'],
    ],
    example: 'haven lab dispatch AzureLLMInferenceTrace_conv.csv --replicas 28 --policy least-connections --json',
    load: () => import('./dispatch.ts'),
  },
];

/**
 * Adds `lab` and its commands to a program. `finish` gets the exit code of the command that ran; without it the process's own exit code is
 * set. `signal` aborts long runs, which then report what is done so far.
 */
export function registerLabCommands(program: Command, options: { readonly finish?: (code: number) => void; readonly signal?: AbortSignal } = {}): void {
  const lab = program.command('lab').description('compare scheduling policies by experiment');
  for (const definition of COMMANDS) {
    const command = lab
      .command(definition.usage)
      .description(definition.summary)
      .option('--json', 'print data as JSON')
      .option('-q, --quiet', 'no progress')
      .addHelpText('after', `\nExample:\n  ${definition.example}\n`);
    for (const [flags, description] of definition.options ?? []) command.option(flags, description);
    command.action(async () => {
      const { run } = await definition.load();
      const code = await run({ args: command.args, options: { ...program.opts(), ...command.opts() }, signal: options.signal ?? new AbortController().signal });
      if (options.finish) options.finish(code);
      else process.exitCode = code;
    });
  }
}
