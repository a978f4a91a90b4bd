import { readCsv } from '../csv.ts';
import { openbNodes, openbPods } from '../import-openb.ts';
import type { OpenbResult } from '../openb.ts';
import { runOpenb } from '../openb.ts';
import type { Experiment, ExperimentFiles } from './experiment.ts';
import { markdownTable, pageEnd } from './experiment.ts';

const NODES = 'openb_node_list_gpu_node.csv';
const SEEDS = [42, 43, 44, 45, 46, 47, 48, 49, 50, 51] as const;
/** Workload, then the published per cent of GPUs allocated by random, best fit and FGD (Weng et al., USENIX ATC 2023, their artifact). */
const WORKLOADS = [
  { name: 'default', published: [87.47, 93.08, 95.39] },
  { name: 'multigpu50', published: [90.28, 95.74, 97.18] },
  { name: 'gpushare100', published: [79.44, 85.01, 86.9] },
  { name: 'gpuspec33', published: [86.46, 93.09, 94.55] },
  { name: 'cpu250', published: [80.42, 91.45, 93.41] },
] as const;
const POLICIES = ['random', 'best-fit', 'fgd'] as const;
const ABLATION = [
  'fgd',
  'fgd?tie=random',
  'fgd?popular=0.95',
  'fgd?tie=random&popular=0.95',
  'best-fit',
  'best-fit?tie=random',
  'first-fit',
  'dot-product',
  'random',
] as const;
/** What cluster managers do, and one from the literature on fairness. */
const OTHERS = ['most-allocated', 'least-allocated', 'balanced-allocation', 'best-fit?exponent=10', 'drf-aware', 'power-of-k'] as const;

/** Fragmentation gradient descent on Alibaba's GPU trace, and what its tie-break is worth. */
export const gpuFragmentation: Experiment = {
  name: 'gpu-fragmentation',
  title: 'Placing shares of GPUs without leaving fragments',
  files: [NODES, ...WORKLOADS.map(({ name }) => fileOf(name))],
  tasks: () => [],
  page: (_results, files) => {
    const ablation = new Map(ABLATION.map((policy) => [policy, summary(runs(files, 'default', policy))]));
    return {
      pictures: {},
      markdown: [
        '# Placing shares of GPUs without leaving fragments',
        `Pods of Alibaba's trace arrive in random order at 1,213 nodes with 6,212 GPUs until 130 % of the GPUs have been asked for; none leaves. What counts is how many GPUs are allocated in the end. ` +
          `Means of ${SEEDS.length} seeds; the published ones are means of ten as well.`,
        markdownTable(
          ['workload', ...POLICIES.flatMap((policy) => [`>${policy}`, '>published', '>difference'])],
          WORKLOADS.map(({ name, published }) => [
            name,
            ...POLICIES.flatMap((policy, index) => {
              const { mean, deviation } = summary(runs(files, name, policy));
              return [
                `${mean.toFixed(2)} (sd ${deviation.toFixed(2)})`,
                (published[index] as number).toFixed(2),
                (mean - (published[index] as number)).toFixed(2),
              ];
            }),
          ]),
        ),
        '## What decides between equals',
        'Scores are whole numbers from 0 to 100, so that many nodes tie. The default trace, with ties broken by the lowest name or at random, and with all kinds of pods as typical or the most popular ones that make up 95 %:',
        markdownTable(
          ['policy', '>GPUs allocated', '>sd'],
          ABLATION.map((policy) => {
            const { mean, deviation } = ablation.get(policy) ?? { mean: Number.NaN, deviation: Number.NaN };
            return [policy, `${mean.toFixed(2)} %`, deviation.toFixed(2)];
          }),
        ),
        wordsOf((policy) => ablation.get(policy)?.mean ?? Number.NaN),
        '## What others do',
        'The scores of Kubernetes (most, least and balanced allocation) and of Nomad (best fit with exponent 10), the best fit of DRFH, which looks for free resources in the proportions of the demand, and the emptier of two drawn at random, on the same trace:',
        markdownTable(
          ['policy', '>GPUs allocated', '>sd'],
          OTHERS.map((policy) => {
            const { mean, deviation } = summary(runs(files, 'default', policy));
            return [policy, `${mean.toFixed(2)} %`, deviation.toFixed(2)];
          }),
        ),
        'A policy string names its tie-break and its sample, because the figure belongs to all three.',
        pageEnd('gpu-fragmentation', [
          'Pods never leave, as in the publication: the last 30 % of demand compete for what earlier ones left.',
          'Memory is respected when a pod is placed; it enters the scores of Kubernetes, Nomad and DRFH only.',
          'The trace is for research and study and is not part of this repository: give --data the folder with it.',
        ]).replace('haven lab run gpu-fragmentation', 'haven lab run gpu-fragmentation --data FOLDER'),
      ].join('\n\n'),
    };
  },
};

function wordsOf(meanOf: (policy: (typeof ABLATION)[number]) => number): string {
  const [byName, popular, byLot, bestFit, firstFit] = [
    meanOf('fgd'),
    meanOf('fgd?popular=0.95'),
    meanOf('fgd?tie=random&popular=0.95'),
    meanOf('best-fit'),
    meanOf('first-fit'),
  ];
  const rank = byLot < bestFit ? 'below' : 'above';
  return (
    `With the most popular kinds only, the tie-break is worth ${(popular - byLot).toFixed(1)} points: by lot, FGD falls to ${byLot.toFixed(1)} %, ${rank} best fit. Counting every kind makes it robust. ` +
    `Simply taking the first node in order of name gives ${firstFit.toFixed(1)} %, ${(byName - firstFit).toFixed(1)} points less than FGD and more than best fit by ${(firstFit - bestFit).toFixed(1)}.`
  );
}

function fileOf(workload: string): string {
  return `openb_pod_list_${workload}.csv`;
}

function runs(files: ExperimentFiles, workload: string, policy: string): readonly OpenbResult[] {
  const { nodes } = openbNodes(readCsv(files[NODES] ?? ''));
  const { pods } = openbPods(readCsv(files[fileOf(workload)] ?? ''));
  return SEEDS.map((seed) => runOpenb(nodes, pods, { policy, seed }));
}

function summary(results: readonly OpenbResult[]): { readonly mean: number; readonly deviation: number } {
  const values = results.map((one) => one.gpu_allocation_pct);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, deviation: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)) };
}
