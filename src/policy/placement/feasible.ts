import { formatSize } from '#base/bytes';
import { addResources, NO_RESOURCES, type Resources } from '#model/resources';
import type { PlacementNode, PlacementRequest } from './request.ts';

/** Why a node cannot take an instance. */
export interface Refusal {
  readonly reason: string;
  /** True when the node could not take it even if it were empty and well. */
  readonly lasting: boolean;
}

type Filter = (request: PlacementRequest, node: PlacementNode) => Refusal | undefined;

// Lasting reasons come first, so that "wait" is never said of a node that can never take it.
const FILTERS: readonly Filter[] = [isOfPool, hasLabels, isLargeEnough, isWell, isOpen, hasPortFree, hasCpuFree, hasMemoryFree];

/** The first reason for which the node cannot take the instance; undefined if it can. */
export function refusalOf(request: PlacementRequest, node: PlacementNode): Refusal | undefined {
  for (const filter of FILTERS) {
    const refusal = filter(request, node);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** The sum of what is assigned to a node. */
export function usedResources(node: PlacementNode): Resources {
  return node.assigned.reduce((sum, assigned) => addResources(sum, assigned.resources), NO_RESOURCES);
}

function isOfPool({ placement }: PlacementRequest, node: PlacementNode): Refusal | undefined {
  if (placement.pool === undefined || placement.pool === node.pool) return undefined;
  return { reason: `is of pool ${node.pool}, not ${placement.pool}`, lasting: true };
}

function hasLabels({ placement }: PlacementRequest, node: PlacementNode): Refusal | undefined {
  for (const [label, wanted] of Object.entries(placement.constraints)) {
    const actual = node.labels[label];
    if (actual !== wanted) return { reason: `needs ${label}=${wanted}, has ${actual === undefined ? 'no such label' : `${label}=${actual}`}`, lasting: true };
  }
  return undefined;
}

function isLargeEnough({ resources }: PlacementRequest, node: PlacementNode): Refusal | undefined {
  // A node whose agent has not told its capacity yet is not too small: it is not ready, which the next filter says.
  if (node.condition === 'down' || node.condition === 'lost') return undefined;
  if (isMore(resources.cpu, node.capacity.cpu)) return { reason: `needs ${cores(resources.cpu)}, has ${cores(node.capacity.cpu)} in all`, lasting: true };
  if (resources.memoryBytes <= node.capacity.memoryBytes) return undefined;
  return { reason: `needs ${formatSize(resources.memoryBytes)}, has ${formatSize(node.capacity.memoryBytes)} in all`, lasting: true };
}

function isWell(_request: PlacementRequest, node: PlacementNode): Refusal | undefined {
  return node.condition === 'ready' ? undefined : { reason: `is ${node.condition}`, lasting: false };
}

function isOpen(_request: PlacementRequest, node: PlacementNode): Refusal | undefined {
  return node.closed === undefined ? undefined : { reason: node.closed, lasting: false };
}

function hasPortFree({ hostPort }: PlacementRequest, node: PlacementNode): Refusal | undefined {
  if (hostPort === undefined) return undefined;
  const holder = node.assigned.find((assigned) => assigned.hostPort === hostPort);
  return holder === undefined ? undefined : { reason: `port ${hostPort} is taken by ${holder.app}/${holder.service}`, lasting: false };
}

function hasCpuFree({ resources }: PlacementRequest, node: PlacementNode): Refusal | undefined {
  const free = node.capacity.cpu - usedResources(node).cpu;
  return isMore(resources.cpu, free) ? { reason: `needs ${cores(resources.cpu)}, ${cores(free)} free`, lasting: false } : undefined;
}

function hasMemoryFree({ resources }: PlacementRequest, node: PlacementNode): Refusal | undefined {
  const free = node.capacity.memoryBytes - usedResources(node).memoryBytes;
  if (resources.memoryBytes <= free) return undefined;
  return { reason: `needs ${formatSize(resources.memoryBytes)}, ${formatSize(Math.max(0, free))} free`, lasting: false };
}

// Sums of shares such as 0.1 are not exact: ten of them must fit into one core.
function isMore(wanted: number, available: number): boolean {
  return wanted > available + 1e-9;
}

function cores(cpu: number): string {
  const rounded = Number(Math.max(0, cpu).toFixed(2));
  return `${rounded} ${rounded === 1 ? 'core' : 'cores'}`;
}
