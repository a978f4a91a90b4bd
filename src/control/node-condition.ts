import type { Node, NodeCondition } from '#model/node';
import type { HostState } from '#policy/rollout/service-snapshot';

/** What is known of a node's agent. */
export interface AgentSigns {
  /** Its key exists: its lease has not ended. */
  readonly isAlive: boolean;
  /** Half its lease has passed without a renewal. */
  readonly isLate: boolean;
  /** It was alive in this term, or instances are assigned to it. */
  readonly wasAlive: boolean;
  /** N8: within one full lease and grace of the leader's start nobody is declared lost. */
  readonly isGracePeriod: boolean;
}

/** N3. */
export function conditionOf({ isAlive, isLate, wasAlive, isGracePeriod }: AgentSigns): NodeCondition {
  if (isAlive) return isLate ? 'suspect' : 'ready';
  if (!wasAlive) return 'down';
  return isGracePeriod ? 'suspect' : 'lost';
}

/** What a node is to an instance on it. */
export function hostStateOf(node: Node | undefined, condition: NodeCondition): HostState {
  const isAlive = condition === 'ready' || condition === 'suspect';
  if (node === undefined) return isAlive ? { kind: 'lost' } : { kind: 'gone' };
  if (!isAlive) return node.power === 'on' ? { kind: 'lost' } : { kind: 'gone' };
  return node.drain === undefined ? { kind: 'available' } : { kind: 'draining', deadline: node.drain.deadline };
}

/** Why nothing new is placed on a node; undefined if it takes instances. */
export function closedReason(node: Node): string | undefined {
  if (node.power !== 'on') return `is powered ${node.power === 'off' ? 'off' : 'down to be removed'}`;
  if (node.drain !== undefined) return 'is draining';
  return node.cordon === undefined ? undefined : `is cordoned: ${node.cordon.reason}`;
}
