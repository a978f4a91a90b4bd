import type { Name } from '#base/name';
import type { Event } from '#model/event';
import type { Instance } from '#model/instance';
import type { Mirrored } from '#model/mirror';
import { later, type Moment } from '#model/moment';
import type { NodeCondition } from '#model/node';
import type { AgentLeases } from './agent-leases.ts';
import type { ClusterSnapshot } from './cluster-snapshot.ts';
import type { ControlOptions } from './control-options.ts';
import { conditionOf } from './node-condition.ts';
import { note, type Pass, type TermMemory } from './pass.ts';

/** What judging the nodes needs beyond the snapshot. */
export interface Judging {
  readonly now: Moment;
  readonly termStartedAt: Moment;
  readonly options: ControlOptions;
  readonly memory: TermMemory;
  readonly leases: Pick<AgentLeases, 'isLate'>;
  readonly wakeAt: (moment: Moment) => void;
}

/** The condition of every node that exists or has instances (N3, N8). */
export function judgeNodes(snapshot: ClusterSnapshot, { now, termStartedAt, options, memory, leases, wakeAt }: Judging): ReadonlyMap<Name, NodeCondition> {
  const graceEndsAt = later(termStartedAt, options.nodeLeaseMs + options.lostGraceMs);
  const isGracePeriod = now < graceEndsAt;
  if (isGracePeriod) wakeAt(graceEndsAt);
  const occupied = new Set([...snapshot.instancesOf.values()].flat().map(({ value }) => value.node));
  for (const node of snapshot.agents.keys()) memory.agentsSeen.add(node);
  const judge = (name: Name): NodeCondition =>
    conditionOf({
      isAlive: snapshot.agents.has(name),
      isLate: leases.isLate(name),
      wasAlive: memory.agentsSeen.has(name) || occupied.has(name),
      isGracePeriod,
    });
  return new Map([...new Set([...snapshot.nodes.keys(), ...occupied])].map((name) => [name, judge(name)]));
}

/** Tells what became of nodes: conditions as events, and the end of a drain. What follows for instances is the services' business. */
export async function reconcileNodes(pass: Pass): Promise<void> {
  for (const [name, condition] of pass.conditions) {
    const before = pass.memory.conditions.get(name);
    pass.memory.conditions.set(name, condition);
    const fact = factOf(before, condition);
    if (fact !== undefined) note(pass, `node/${name}`, fact);
  }
  for (const name of pass.memory.conditions.keys()) if (!pass.conditions.has(name)) pass.memory.conditions.delete(name);
  for (const { value: node } of pass.snapshot.nodes.values()) {
    if (node.drain === undefined || node.power === 'removed') continue;
    const left = instancesOn(pass.snapshot, node.name);
    // D3: an instance's key goes only when its agent said that nothing of it is left.
    if (left.length === 0) note(pass, `node/${node.name}`, { kind: 'drained', message: 'no instance is left' });
    else if (node.drain.deadline <= pass.now)
      note(pass, `node/${node.name}`, {
        level: 'warn',
        kind: 'drain-overdue',
        message: `${left.length} ${left.length === 1 ? 'instance is' : 'instances are'} left past the deadline`,
      });
    else pass.wakeAt(node.drain.deadline);
  }
}

function instancesOn(snapshot: ClusterSnapshot, node: Name): readonly Mirrored<Instance>[] {
  return [...snapshot.instancesOf.values()].flat().filter(({ value }) => value.node === node);
}

function factOf(before: NodeCondition | undefined, now: NodeCondition): (Pick<Event, 'kind' | 'message'> & Partial<Pick<Event, 'level'>>) | undefined {
  if (before === now) return undefined;
  switch (now) {
    case 'ready':
      return before === 'suspect' || before === undefined ? undefined : { kind: 'node-ready', message: 'its agent is heard' };
    case 'suspect':
      return before === 'ready' ? { level: 'warn', kind: 'node-suspect', message: 'its agent has missed a renewal' } : undefined;
    case 'lost':
      return { level: 'error', kind: 'node-lost', message: "its agent's lease has ended: its instances are replaced" };
    case 'down':
      return undefined;
  }
}
