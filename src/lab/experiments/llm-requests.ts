import { readCsv } from '../csv.ts';
import type { DispatchResult } from '../llm-trace.ts';
import { parseLlmTrace } from '../llm-trace.ts';
import { lineChart } from '../report/line-chart.ts';
import { standaloneSvg } from '../report/standalone-svg.ts';
import { printTick } from '../report/ticks.ts';
import type { Experiment, ExperimentFiles } from './experiment.ts';
import { markdownTable, pageEnd } from './experiment.ts';

const CASES = [
  { file: 'AzureLLMInferenceTrace_conv.csv', name: 'conversation', replicas: 28 },
  { file: 'AzureLLMInferenceTrace_code.csv', name: 'code', replicas: 8 },
] as const;
const POLICIES = [
  'random',
  'round-robin',
  'p2c',
  'join-idle-queue',
  'least-connections',
  'least-work-left',
  'central-fifo',
  'central-sjf',
  'central-srpt',
] as const;
const REPLICAS = [26, 27, 28, 30, 32, 36] as const;
const SWEPT = ['round-robin', 'p2c', 'least-connections', 'least-work-left', 'central-sjf'] as const;

const TASKS = [
  ...CASES.flatMap(({ file, replicas }) => POLICIES.map((policy) => ({ file, replicas, policy }))),
  ...REPLICAS.flatMap((replicas) => SWEPT.map((policy) => ({ file: CASES[0].file, replicas, policy }))),
];

/** Requests to a language model spread over replicas: what the balancer is worth. */
export const llmRequests: Experiment = {
  name: 'llm-requests',
  title: 'Balancing requests to a language model',
  files: CASES.map((one) => one.file),
  tasks: (files) =>
    TASKS.map(({ file, replicas, policy }) => ({ kind: 'dispatch' as const, requests: requestsOf(files, file), options: { policy, replicas, seed: 1 } })),
  page: (results, files) => {
    const outcomes = results as readonly DispatchResult[];
    const of = (file: string, policy: string, replicas: number): DispatchResult | undefined =>
      outcomes[TASKS.findIndex((task) => task.file === file && task.policy === policy && task.replicas === replicas)];
    const sections = CASES.flatMap(({ file, name, replicas }) => {
      const first = of(file, POLICIES[0], replicas);
      return [
        `## ${name}: ${requestsOf(files, file).length} requests, ${replicas} replicas, load ${(first?.load ?? 0).toFixed(2)}`,
        markdownTable(
          ['policy', '>mean', '>p50', '>p99', '>longest', '>mean wait', '>mean slowdown', '>worst slowdown'],
          POLICIES.map((policy) => rowOf(policy, of(file, policy, replicas))),
        ),
        wordsOf((policy) => of(file, policy, replicas)),
      ];
    });
    return {
      pictures: {
        'llm-requests.svg': standaloneSvg([picture(of, 'p99_response', '99th percentile of response'), picture(of, 'mean_slowdown', 'Mean slowdown')], 2),
      },
      markdown: [
        '# Balancing requests to a language model',
        'An hour of requests to a hosted model (Azure LLM inference traces 2023). A request costs 0.2 ms per token of context and 20 ms per token of output; a replica serves its requests one after the other. ' +
          'Policies bind a request to a replica on arrival; those named central keep one queue for all.',
        ...sections,
        '## How many replicas each policy needs',
        '![By replicas](llm-requests.svg)',
        'Join-the-shortest by requests cannot see that one request is a hundred times another; least work left can, if the cost of a request is declared or predicted. It equals one central queue, request by request.',
        pageEnd('llm-requests', [
          'A replica here serves one request at a time; real ones batch, so that absolute times are pessimistic and the order of the policies is what to read.',
          'Least work left and central shortest first are told the true cost; output length has to be predicted in practice.',
          'Traces: Azure Public Dataset, CC-BY-4.0. They are not part of this repository: give --data the folder with both files.',
        ]).replace('haven lab run llm-requests', 'haven lab run llm-requests --data FOLDER'),
      ].join('\n\n'),
    };
  },
};

// Parsed once per text: nine policies read the same trace.
const parsed = new WeakMap<ExperimentFiles, Map<string, ReturnType<typeof parseLlmTrace>['requests']>>();

function requestsOf(files: ExperimentFiles, file: string): ReturnType<typeof parseLlmTrace>['requests'] {
  const known = parsed.get(files) ?? new Map<string, ReturnType<typeof parseLlmTrace>['requests']>();
  parsed.set(files, known);
  const requests = known.get(file) ?? parseLlmTrace(readCsv(files[file] ?? '')).requests;
  known.set(file, requests);
  return requests;
}

function rowOf(policy: string, result: DispatchResult | undefined): readonly string[] {
  const seconds = (value: number | undefined): string => (value === undefined ? '–' : `${value.toFixed(2)} s`);
  const times = (value: number | undefined): string => (value === undefined ? '–' : value.toFixed(2));
  return [
    policy,
    seconds(result?.mean_response),
    seconds(result?.p50_response),
    seconds(result?.p99_response),
    seconds(result?.max_response),
    seconds(result?.mean_wait),
    times(result?.mean_slowdown),
    times(result?.max_slowdown),
  ];
}

function wordsOf(of: (policy: string) => DispatchResult | undefined): string {
  const [robin, connections, work, shortest] = ['round-robin', 'least-connections', 'least-work-left', 'central-sjf'].map(of);
  if (robin === undefined || connections === undefined || work === undefined || shortest === undefined) return '';
  const times = (a: number, b: number): string => `${(a / b).toFixed(1)} times`;
  return (
    `Round robin makes requests wait ${times(robin.mean_wait, connections.mean_wait)} as long as least connections, and that ${times(connections.mean_wait, work.mean_wait)} as long as least work left. ` +
    `Shortest first lowers the mean slowdown from ${work.mean_slowdown.toFixed(2)} to ${shortest.mean_slowdown.toFixed(2)} and pays with the longest response, ` +
    `${shortest.max_response.toFixed(1)} s against ${work.max_response.toFixed(1)} s.`
  );
}

function picture(
  of: (file: string, policy: string, replicas: number) => DispatchResult | undefined,
  key: 'p99_response' | 'mean_slowdown',
  title: string,
): string {
  return lineChart({
    title: `${title}, conversation trace`,
    x: { label: 'replicas', kind: 'linear', print: (value) => printTick(value, '') },
    y: { label: key === 'p99_response' ? 'seconds' : 'slowdown', kind: 'log', print: (value) => printTick(value, '') },
    series: SWEPT.map((policy) => ({
      name: policy,
      hasMarks: true,
      points: REPLICAS.map((replicas) => [replicas, of(CASES[0].file, policy, replicas)?.[key] ?? 1] as const),
    })),
    height: 380,
  });
}
