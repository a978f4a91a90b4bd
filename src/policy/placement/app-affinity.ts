import { emptiestGpu, fullestGpu } from './gpu-device.ts';
import type { GpuNode, GpuPod } from './gpu-node.ts';
import type { GpuPlacement } from './gpu-policy.ts';

/** More pods of one app in a domain than this count as this many. */
const MOST_COUNTED = 30_000;

/**
 * Affinity: the domain with the most pods of the same app. A domain is a node, or all nodes with one value of a label. A pod without an app, or
 * the first of its app, finds all alike: the tie-break decides.
 */
export function affinity(key: string): GpuPlacement {
  const counts = new AppCounts(key);
  return {
    isLocal: key === 'node',
    on: (change, pod, node) => counts.change(change, pod, node),
    score: (pod, node, choice) => {
      choice.score = counts.of(pod, node);
      choice.device = fullestGpu(pod, node);
    },
  };
}

/** Anti-affinity: the domain with the fewest pods of the same app; `isStrict` refuses one that has any. */
export function antiAffinity({ key, isStrict }: { readonly key: string; readonly isStrict: boolean }): GpuPlacement {
  const counts = new AppCounts(key);
  const refuse = (pod: GpuPod, node: GpuNode): string | undefined => {
    const there = counts.of(pod, node);
    return there === 0 ? undefined : `${key} ${domainOf(node, key)} has ${there} of ${pod.app} already`;
  };
  return {
    isLocal: key === 'node',
    on: (change, pod, node) => counts.change(change, pod, node),
    score: (pod, node, choice) => {
      choice.score = MOST_COUNTED - counts.of(pod, node);
      choice.device = emptiestGpu(pod, node);
    },
    ...(isStrict ? { refuse } : {}),
  };
}

/**
 * Topology spread: the domain with the fewest pods of the same app, and none that would then have more than `skew` more than the emptiest
 * (Kubernetes' maxSkew, whenUnsatisfiable DoNotSchedule). Nodes without the label are no domain and are refused.
 */
export function topologySpread(nodes: readonly GpuNode[], { key, skew }: { readonly key: string; readonly skew: number }): GpuPlacement {
  const counts = new AppCounts(key);
  const oneOfEach = [...new Map(nodes.map((node) => [domainOf(node, key), node]))].filter(([domain]) => domain !== '').map(([, node]) => node);
  return {
    isLocal: false,
    on: (change, pod, node) => counts.change(change, pod, node),
    score: (pod, node, choice) => {
      choice.score = MOST_COUNTED - counts.of(pod, node);
      choice.device = emptiestGpu(pod, node);
    },
    refuse: (pod, node) => {
      if (pod.app === undefined) return undefined;
      if (domainOf(node, key) === '') return `has no label "${key}"`;
      const there = counts.of(pod, node);
      let fewest = there;
      for (const other of oneOfEach) fewest = Math.min(fewest, counts.of(pod, other));
      if (there + 1 - fewest <= skew) return undefined;
      return `${key} ${domainOf(node, key)} has ${there} of ${pod.app} and another has ${fewest}: one more would exceed a skew of ${skew}`;
    },
  };
}

function domainOf(node: GpuNode, key: string): string {
  return key === 'node' ? node.name : (node.labels[key] ?? '');
}

/** Pods of each app in each domain of a label. */
class AppCounts {
  readonly #key: string;
  readonly #byApp = new Map<string, Map<string, number>>();

  constructor(key: string) {
    this.#key = key;
  }

  change(change: 1 | -1, pod: GpuPod, node: GpuNode): void {
    if (pod.app === undefined) return;
    let counts = this.#byApp.get(pod.app);
    if (counts === undefined) {
      counts = new Map();
      this.#byApp.set(pod.app, counts);
    }
    const domain = domainOf(node, this.#key);
    counts.set(domain, (counts.get(domain) ?? 0) + change);
  }

  of(pod: GpuPod, node: GpuNode): number {
    return pod.app === undefined ? 0 : Math.min(MOST_COUNTED, this.#byApp.get(pod.app)?.get(domainOf(node, this.#key)) ?? 0);
  }
}
