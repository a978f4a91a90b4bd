import type { Generator } from '#world/simulated/generator';
import { CALM_NETWORK, type NetworkConditions } from '#world/simulated/switch-board';
import { type ClusterSimulation, CONTROL, type InstanceProcess } from './cluster-simulation.ts';

/** One kind of fault: does harm now and undoes it after `forMs`, unless healing comes first. */
interface FaultKind {
  /** Mean time between two of them. */
  readonly everyMs: number;
  readonly forMs: number;
  readonly strike: (cluster: ClusterSimulation, luck: Generator, forMs: number) => string | undefined;
}

/** Everything that can go wrong, by name. Each seed draws which of them exist in it. */
export const FAULTS = {
  'node-power-cut': { everyMs: 16_000, forMs: 12_000, strike: crashNode },
  'agent-killed': { everyMs: 8_000, forMs: 0, strike: (cluster, luck) => onKept(cluster, luck.pick(cluster.nodeNames), 'kill') },
  'agent-paused': { everyMs: 13_000, forMs: 9_000, strike: (cluster, luck, forMs) => pauseKept(cluster, luck.pick(cluster.nodeNames), forMs) },
  'node-paused': { everyMs: 16_000, forMs: 6_000, strike: pauseNode },
  'instance-killed': { everyMs: 8_000, forMs: 0, strike: (cluster, luck) => killInstance(cluster, luck) },
  'instance-hangs': { everyMs: 10_000, forMs: 8_000, strike: hangInstance },
  'instance-sick': { everyMs: 10_000, forMs: 8_000, strike: sickenInstance },
  'control-killed': { everyMs: 10_000, forMs: 0, strike: (cluster, luck) => onKept(cluster, luck.pick(cluster.controlNames), 'kill') },
  'control-paused': { everyMs: 13_000, forMs: 14_000, strike: (cluster, luck, forMs) => pauseKept(cluster, luck.pick(cluster.controlNames), forMs) },
  'store-power-cut': { everyMs: 16_000, forMs: 5_000, strike: (cluster, _luck, forMs) => crashStore(cluster, forMs) },
  'gateway-killed': { everyMs: 13_000, forMs: 0, strike: (cluster, luck) => onKept(cluster, luck.pick(cluster.gatewayNames), 'kill') },
  'gateway-paused': { everyMs: 16_000, forMs: 12_000, strike: (cluster, luck, forMs) => pauseKept(cluster, luck.pick(cluster.gatewayNames), forMs) },
  partition: { everyMs: 13_000, forMs: 13_000, strike: partition },
  'one-way-cut': { everyMs: 13_000, forMs: 13_000, strike: oneWayCut },
} as const satisfies Readonly<Record<string, FaultKind>>;

export type FaultName = keyof typeof FAULTS;

/** What a seed drew for the network as a whole. */
export const BAD_NETWORKS: Readonly<Record<string, Partial<NetworkConditions>>> = {
  calm: {},
  slow: { meanDelayMs: 15, slowShare: 0.01 },
  lossy: { loss: 0.01 },
  bad: { meanDelayMs: 5, slowShare: 0.005, loss: 0.005 },
};

/** Lets faults of the given kinds strike at random times for `durationMs`; every one is in the trace. */
export function strike(cluster: ClusterSimulation, kinds: readonly FaultName[], durationMs: number): void {
  const luck = cluster.simulation.random;
  for (const name of kinds) {
    const kind: FaultKind = FAULTS[name];
    for (let atMs = luck.exponential(kind.everyMs); atMs < durationMs; atMs += luck.exponential(kind.everyMs)) {
      const forMs = kind.forMs * luck.between(0.3, 1.7);
      cluster.simulation.after(atMs, () => {
        const told = kind.strike(cluster, luck, forMs);
        if (told !== undefined) cluster.simulation.note(`FAULT ${name}: ${told}, for ${forMs.toFixed(0)} ms`);
      });
    }
  }
}

/** Ends every fault: all machines with power run, nothing is paused, every link works. */
export function heal(cluster: ClusterSimulation): void {
  cluster.simulation.note('HEAL');
  cluster.simulation.healAll();
  cluster.simulation.setNetwork(CALM_NETWORK);
  cluster.sick.clear();
  for (const name of [...cluster.nodeNames, ...cluster.controlNames, ...cluster.gatewayNames, CONTROL]) {
    if (cluster.host(name).isUp) {
      cluster.host(name).resume();
      cluster.kept(name).resume();
    } else cluster.restartHost(name);
  }
  for (const process of cluster.processes()) cluster.signalInstance(process, 'SIGCONT');
}

function crashNode(cluster: ClusterSimulation, luck: Generator, forMs: number): string | undefined {
  const name = luck.pick(cluster.nodeNames);
  if (!cluster.host(name).isUp) return undefined;
  cluster.crashHost(name, forMs);
  return name;
}

function crashStore(cluster: ClusterSimulation, forMs: number): string | undefined {
  if (!cluster.host(CONTROL).isUp) return undefined;
  cluster.crashHost(CONTROL, forMs);
  return CONTROL;
}

function onKept(cluster: ClusterSimulation, name: string, deed: 'kill'): string | undefined {
  if (!cluster.host(name).isUp) return undefined;
  cluster.kept(name)[deed]();
  return name;
}

function pauseKept(cluster: ClusterSimulation, name: string, forMs: number): string | undefined {
  if (!cluster.host(name).isUp) return undefined;
  const kept = cluster.kept(name);
  kept.pause();
  cluster.simulation.after(forMs, () => kept.resume());
  return name;
}

function pauseNode(cluster: ClusterSimulation, luck: Generator, forMs: number): string | undefined {
  const host = cluster.host(luck.pick(cluster.nodeNames));
  if (!host.isUp) return undefined;
  host.pause();
  cluster.simulation.after(forMs, () => host.resume());
  return host.name;
}

function killInstance(cluster: ClusterSimulation, luck: Generator): string | undefined {
  const process = anyProcess(cluster, luck);
  if (process) cluster.signalInstance(process, 'SIGKILL');
  return process?.id;
}

function anyProcess(cluster: ClusterSimulation, luck: Generator): InstanceProcess | undefined {
  const processes = cluster.processes();
  return processes.length === 0 ? undefined : luck.pick(processes);
}

function hangInstance(cluster: ClusterSimulation, luck: Generator, forMs: number): string | undefined {
  const process = anyProcess(cluster, luck);
  if (!process) return undefined;
  cluster.signalInstance(process, 'SIGSTOP');
  cluster.simulation.after(forMs, () => cluster.host(process.host).isUp && cluster.signalInstance(process, 'SIGCONT'));
  return process.id;
}

function sickenInstance(cluster: ClusterSimulation, luck: Generator, forMs: number): string | undefined {
  const process = anyProcess(cluster, luck);
  if (!process) return undefined;
  const { token } = process.program.identity;
  cluster.sick.add(token);
  cluster.simulation.after(forMs, () => void cluster.sick.delete(token));
  return process.id;
}

function partition(cluster: ClusterSimulation, luck: Generator, forMs: number): string | undefined {
  const side = hostsBeyondControl(cluster).filter(() => luck.chance(0.4));
  if (side.length === 0) return undefined;
  cut(
    cluster,
    side.flatMap(
      (name) =>
        [
          [name, CONTROL],
          [CONTROL, name],
        ] as const,
    ),
    forMs,
  );
  return side.join(', ');
}

function oneWayCut(cluster: ClusterSimulation, luck: Generator, forMs: number): string | undefined {
  const name = luck.pick(hostsBeyondControl(cluster));
  const link = luck.chance(0.5) ? ([name, CONTROL] as const) : ([CONTROL, name] as const);
  cut(cluster, [link], forMs);
  return link.join(' > ');
}

function cut(cluster: ClusterSimulation, links: readonly (readonly [string, string])[], forMs: number): void {
  for (const [from, to] of links) cluster.simulation.cut(from, to);
  cluster.simulation.after(forMs, () => {
    for (const [from, to] of links) cluster.simulation.heal(from, to);
  });
}

function hostsBeyondControl(cluster: ClusterSimulation): readonly string[] {
  return [...cluster.nodeNames, ...cluster.gatewayNames, ...cluster.controlNames].filter((name) => name !== CONTROL);
}
