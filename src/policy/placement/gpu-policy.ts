import type { Fragmentation } from './fragmentation.ts';
import type { GpuNode, GpuPod } from './gpu-node.ts';

/** How much a node is liked, and which GPU a share would come from. Filled in place: scoring allocates nothing. */
export interface GpuChoice {
  /** At least 0; higher is better. The host compares whole numbers from 0 to 32,767. */
  score: number;
  device: number;
}

/** Scores a node that fits. */
export type GpuScorer = (pod: GpuPod, node: GpuNode, choice: GpuChoice) => void;

/** What a policy may know of the cluster before it places anything. */
export interface GpuCluster {
  readonly nodes: readonly GpuNode[];
  readonly fragmentation: Fragmentation;
  /** Of the largest machine, to which demands are scaled. */
  readonly largest: { readonly cpuMilli: number; readonly memoryMib: number; readonly gpuMilli: number };
}

/** A placement policy at work on one cluster. */
export interface GpuPlacement {
  readonly score: GpuScorer;
  /** The GPU of a share is drawn among those that fit, whatever the score says. */
  readonly isDeviceDrawn?: boolean;
  /** Whether the score of a node changes only when that node does; otherwise every node is scored anew for each pod. Local unless told. */
  readonly isLocal?: boolean;
  /** A limit beyond resources: why this node is out of the question, or undefined. Called for nodes that fit. */
  readonly refuse?: (pod: GpuPod, node: GpuNode) => string | undefined;
  /** The host tells of every pod that came to a node (1) or left it (-1), for policies that count. */
  readonly on?: (change: 1 | -1, pod: GpuPod, node: GpuNode) => void;
}
