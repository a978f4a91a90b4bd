import { PlatformError } from '#base/errors';
import type { OptionKind, OptionKinds, OptionsOf, PolicyString } from '../policy-string.ts';
import { canonicalPolicy, choiceOption, integerOption, numberOption, orUnlimited, parsePolicyString, readOptions } from '../policy-string.ts';
import { balancedAllocation, leastAllocated, mostAllocated } from './allocated.ts';
import { affinity, antiAffinity, topologySpread } from './app-affinity.ts';
import { bestFit, exponentialFit } from './best-fit.ts';
import { dotProduct } from './dot-product.ts';
import { dominantFit } from './drf-aware.ts';
import { fragmentationGradient } from './fragmentation-gradient.ts';
import { firstGpu } from './gpu-device.ts';
import { gpuPacking } from './gpu-packing.ts';
import type { GpuCluster, GpuPlacement, GpuScorer } from './gpu-policy.ts';
import { worstFit } from './worst-fit.ts';

/** A placement policy for demands of several resources, from its string. */
export interface GpuPolicy {
  /** Its canonical policy string. */
  readonly name: string;
  /** Which of equally liked nodes: the lowest name, or any. */
  readonly tie: 'id' | 'random';
  /** How many feasible nodes are looked at, drawn at random. */
  readonly sample: number;
  /** Typical pods, for fragmentation: the most popular ones that make up this share of all. */
  readonly popular: number;
  make(cluster: GpuCluster): GpuPlacement;
}

interface Entry {
  readonly about: string;
  readonly options: OptionKinds;
  /** Fixed by the policy itself; its string does not take them then. */
  readonly fixed?: Partial<Pick<GpuPolicy, 'tie'>>;
  make(policy: PolicyString, cluster: GpuCluster): GpuPlacement;
  sample?(policy: PolicyString): number;
}

const TIE = { tie: choiceOption(['id', 'random']) };
const SAMPLE = { sample: orUnlimited(integerOption(Number.POSITIVE_INFINITY, { least: 1 })) };
const HOST = { ...TIE, ...SAMPLE };
const POPULAR = { popular: numberOption(1, { least: 0.01, most: 1 }) };
const CHOICES = { choices: integerOption(2, { least: 1, most: 1_000 }) };

const keyOption = (fallback: string): OptionKind<string> => ({
  accepts: 'node, or the key of a label of nodes such as zone',
  fallback,
  parse: (text) => (/^[a-z][a-z0-9-]{0,39}$/.test(text) ? text : undefined),
  print: String,
});
const MODE = { mode: choiceOption(['prefer', 'require']) };
const SKEW = { key: keyOption('zone'), skew: integerOption(1, { least: 1 }) };

const anyNode: GpuScorer = (pod, node, choice) => {
  choice.score = 0;
  choice.device = firstGpu(pod, node);
};

/** Every placement policy of vector demands: a new one is a file and a line here. */
export const GPU_POLICIES: Readonly<Record<string, Entry>> = {
  'first-fit': entry('the first node that fits, by name', HOST, () => ({ score: anyNode, isDeviceDrawn: true })),
  random: { ...entry('any node that fits', SAMPLE, () => ({ score: anyNode, isDeviceDrawn: true })), fixed: { tie: 'random' } },
  'best-fit': entry(
    'least left afterwards; an exponent other than none is Nomad’s score',
    { ...HOST, exponent: exponentOption() },
    ({ exponent }, { largest }) => ({
      score: Number.isFinite(exponent) ? exponentialFit(exponent) : bestFit(largest),
    }),
  ),
  'worst-fit': entry('most left afterwards', HOST, (_, { largest }) => ({ score: worstFit(largest) })),
  spread: entry('another word for worst-fit', HOST, (_, { largest }) => ({ score: worstFit(largest) })),
  'least-allocated': entry('Kubernetes: the emptiest by the mean of its resources', HOST, () => ({ score: leastAllocated() })),
  'most-allocated': entry('Kubernetes: the fullest by the mean of its resources', HOST, () => ({ score: mostAllocated() })),
  'balanced-allocation': entry('Kubernetes: resources used evenly', HOST, () => ({ score: balancedAllocation() })),
  'dot-product': entry('free resources that point as the demand does (Tetris)', HOST, (_, { largest }) => ({ score: dotProduct(largest) })),
  'gpu-packing': entry('partly used GPUs, then partly used nodes, then the rest', HOST, () => ({ score: gpuPacking })),
  fgd: entry('fragmentation grows least', { ...HOST, ...POPULAR }, (_, { fragmentation }) => ({ score: fragmentationGradient(fragmentation) })),
  'drf-aware': entry('free resources in the proportions of the demand', HOST, (_, { largest }) => ({ score: dominantFit(largest) })),
  affinity: entry('where most of the same app are', { ...HOST, key: keyOption('node') }, ({ key }) => affinity(key)),
  'anti-affinity': entry('where fewest of the same app are', { ...HOST, key: keyOption('node'), ...MODE }, ({ key, mode }) =>
    antiAffinity({ key, isStrict: mode === 'require' }),
  ),
  'topology-spread': entry('evenly over the domains of a label, within a skew', { ...HOST, ...SKEW }, (options, { nodes }) => topologySpread(nodes, options)),
  'power-of-k': {
    ...entry('the emptiest of a few drawn at random', { ...TIE, ...CHOICES }, (_, { largest }) => ({ score: worstFit(largest) })),
    sample: (policy) => readOptions(policy, { ...TIE, ...CHOICES }).choices,
  },
};

/** Reads `best-fit?tie=random&sample=500`. INVALID for an unknown name or option. */
export function parseGpuPolicy(text: string): GpuPolicy {
  const policy = parsePolicyString(text);
  const found = Object.hasOwn(GPU_POLICIES, policy.name) ? GPU_POLICIES[policy.name] : undefined;
  if (found === undefined) {
    throw new PlatformError(
      'INVALID',
      `Cannot place by "${text}", because there is no placement policy "${policy.name}"; there are ${Object.keys(GPU_POLICIES).join(', ')}`,
      { text },
    );
  }
  readOptions(policy, found.options);
  const given = <Kinds extends OptionKinds>(kinds: Kinds): OptionsOf<Kinds> => {
    const own = [...policy.options].filter(([key]) => Object.hasOwn(kinds, key));
    return readOptions({ name: policy.name, options: new Map(own) }, kinds);
  };
  return {
    name: canonicalPolicy(policy, found.options),
    tie: found.fixed?.tie ?? given(TIE).tie,
    sample: found.sample?.(policy) ?? given(SAMPLE).sample,
    popular: given(POPULAR).popular,
    make: (cluster) => found.make(policy, cluster),
  };
}

function entry<Kinds extends OptionKinds>(about: string, options: Kinds, make: (options: OptionsOf<Kinds>, cluster: GpuCluster) => GpuPlacement): Entry {
  return { about, options, make: (policy, cluster) => make(readOptions(policy, options), cluster) };
}

function exponentOption(): OptionKind<number> {
  return orUnlimited(numberOption(Number.POSITIVE_INFINITY, { least: 1.01, most: 1_000 }), 'none');
}
