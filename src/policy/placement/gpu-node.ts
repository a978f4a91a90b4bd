/** A whole GPU in the unit of shares. */
export const WHOLE_GPU = 1_000;

/** What a pod asks of a node with GPUs: thousandths of cores, MiB, and either a share of one GPU or several whole ones. */
export interface GpuPod {
  readonly cpuMilli: number;
  readonly memoryMib: number;
  /** 0, or the share of each GPU it holds: 1 to 1,000. */
  readonly gpuMilli: number;
  readonly gpuCount: number;
  /** Models it accepts; empty: any. */
  readonly models: readonly string[];
  /** What it is a part of, for policies that keep such pods together or apart; absent: of nothing. */
  readonly app?: string;
}

/** A node with GPUs and what is left of it. Only `takeGpuPod` and `releaseGpuPod` change it. */
export interface GpuNode {
  readonly name: string;
  readonly model: string;
  readonly gpuCount: number;
  readonly cpuMilli: number;
  readonly memoryMib: number;
  /** Where it stands, by the key of the label: `zone`, `rack`. */
  readonly labels: Readonly<Record<string, string>>;
  cpuLeft: number;
  memoryLeft: number;
  readonly gpuLeft: Int32Array;
}

/** An empty node. */
export function emptyGpuNode(
  node: Pick<GpuNode, 'name' | 'model' | 'gpuCount' | 'cpuMilli' | 'memoryMib'> & { readonly labels?: Readonly<Record<string, string>> },
): GpuNode {
  const { cpuMilli, memoryMib, gpuCount, labels = {} } = node;
  return { ...node, labels, cpuLeft: cpuMilli, memoryLeft: memoryMib, gpuLeft: new Int32Array(gpuCount).fill(WHOLE_GPU) };
}

/** Whether the node can hold the pod: model, cores, memory, and GPUs. */
export function fitsGpuNode(pod: GpuPod, node: GpuNode): boolean {
  if (pod.cpuMilli > node.cpuLeft || pod.memoryMib > node.memoryLeft) return false;
  if (pod.gpuCount === 0) return true;
  if (pod.models.length > 0 && !pod.models.includes(node.model)) return false;
  return gpusThatFit(pod.gpuMilli, node) >= pod.gpuCount;
}

/** Why the node cannot hold the pod; undefined if it can. */
export function refusalOfGpuNode(pod: GpuPod, node: GpuNode): string | undefined {
  if (pod.gpuCount > 0 && pod.models.length > 0 && !pod.models.includes(node.model)) return `has ${node.model || 'no GPU'}, not ${pod.models.join(' or ')}`;
  if (pod.cpuMilli > node.cpuLeft) return `needs ${pod.cpuMilli / 1_000} cores, ${node.cpuLeft / 1_000} free`;
  if (pod.memoryMib > node.memoryLeft) return `needs ${pod.memoryMib} MiB, ${node.memoryLeft} free`;
  if (pod.gpuCount === 0) return undefined;
  const fitting = gpusThatFit(pod.gpuMilli, node);
  return fitting >= pod.gpuCount ? undefined : `needs ${pod.gpuCount} GPUs with ${pod.gpuMilli} thousandths free, has ${fitting}`;
}

/** Takes the pod's resources; a share comes from GPU `device`, whole GPUs are the lowest that are free. Returns the GPUs as bits, for `releaseGpuPod`. */
export function takeGpuPod(pod: GpuPod, node: GpuNode, device: number): number {
  node.cpuLeft -= pod.cpuMilli;
  node.memoryLeft -= pod.memoryMib;
  if (pod.gpuCount === 0) return 0;
  const gpuLeft = node.gpuLeft;
  if (pod.gpuCount === 1) {
    gpuLeft[device] = (gpuLeft[device] as number) - pod.gpuMilli;
    return 1 << device;
  }
  let left = pod.gpuCount;
  let taken = 0;
  for (let gpu = 0; gpu < gpuLeft.length && left > 0; gpu += 1) {
    if ((gpuLeft[gpu] as number) < pod.gpuMilli) continue;
    gpuLeft[gpu] = (gpuLeft[gpu] as number) - pod.gpuMilli;
    taken |= 1 << gpu;
    left -= 1;
  }
  return taken;
}

/** Gives back what `takeGpuPod` took, from the GPUs it named. */
export function releaseGpuPod(pod: GpuPod, node: GpuNode, taken: number): void {
  node.cpuLeft += pod.cpuMilli;
  node.memoryLeft += pod.memoryMib;
  for (let gpu = 0; gpu < node.gpuLeft.length; gpu += 1) {
    if ((taken & (1 << gpu)) !== 0) node.gpuLeft[gpu] = (node.gpuLeft[gpu] as number) + pod.gpuMilli;
  }
}

/** The sum of what is left of all its GPUs. */
export function gpuLeftOf(node: GpuNode): number {
  let left = 0;
  for (let gpu = 0; gpu < node.gpuLeft.length; gpu += 1) left += node.gpuLeft[gpu] as number;
  return left;
}

function gpusThatFit(gpuMilli: number, node: GpuNode): number {
  let fitting = 0;
  for (let gpu = 0; gpu < node.gpuLeft.length; gpu += 1) if ((node.gpuLeft[gpu] as number) >= gpuMilli) fitting += 1;
  return fitting;
}
