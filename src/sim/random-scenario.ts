import { hasCode, messageOf } from '#base/errors';
import type { Generator } from '#world/simulated/generator';
import { Generator as SeededGenerator } from '#world/simulated/generator';
import { type AppQuality, appCommand } from './app-program.ts';
import { type ClusterOptions, ClusterSimulation } from './cluster-simulation.ts';
import { unsettled } from './convergence.ts';
import { BAD_NETWORKS, FAULTS, type FaultName, heal, strike } from './faults.ts';
import { deployed, nodeChanged, removed, rolledBack, scaled, type UserChange } from './user-change.ts';

/** How long users act and faults strike. */
const faultyMs = 30_000;
/** How long a healed cluster may take until everything is as wanted: the longest back-offs of agents and control, and a rollout after them. */
const convergenceMs = 240_000;
const meanChangeMs = 6_000;

/** What a seed draws. Printed with a failure; the seed alone brings all of it back. */
export interface Drawn {
  readonly options: ClusterOptions;
  readonly network: string;
  readonly faults: readonly FaultName[];
}

/** The options of a seed: which faults exist, how large the cluster is, how good its network and clocks are. */
export function draw(seed: number): Drawn {
  const luck = new SeededGenerator(seed, 'drawn');
  const names = Object.keys(FAULTS) as FaultName[];
  const share = luck.pick([0, 0.15, 0.35, 0.6]);
  const network = luck.pick(Object.keys(BAD_NETWORKS));
  const options: ClusterOptions = {
    seed,
    nodes: 2 + luck.integer(4),
    gateways: 1 + luck.integer(2),
    controls: luck.chance(0.4) ? 2 : 0,
    requestEveryMs: luck.chance(0.5) ? 1_000 : 0,
    maxDrift: luck.pick([0, 0.01]),
    ...(luck.chance(0.3) ? { history: { keepMs: 1_000, keepRevisions: 20, maxBytes: 2 ** 20 } } : {}),
  };
  return { options, network, faults: names.filter(() => luck.chance(share)) };
}

/** What of a random scenario is worth knowing afterwards. */
export interface ScenarioOutcome {
  readonly cluster: ClusterSimulation;
  readonly convergedAfterMs: number;
}

/** Users and faults at random for half a minute, then healing, then everything must become as wanted. Throws at the first broken promise. */
export async function runRandomScenario(seed: number): Promise<ScenarioOutcome> {
  const drawn = draw(seed);
  const cluster = new ClusterSimulation(drawn.options);
  const { seed: _seed, ...shown } = drawn.options;
  cluster.description = JSON.stringify({ ...shown, network: drawn.network, faults: drawn.faults });
  await cluster.start();
  await cluster.operate(deployed(shop(cluster.simulation.random, { version: 1, quality: 'good', count: 3 })));
  const users = act(cluster);
  cluster.simulation.setNetwork(BAD_NETWORKS[drawn.network] ?? {});
  strike(cluster, drawn.faults, faultyMs);
  await cluster.run(faultyMs);
  heal(cluster);
  const healedAtMs = cluster.nowMs;
  await cluster.until('every user got an answer', () => users.waiting === 0);
  // Nodes are open and on in the end, so that everything can run.
  for (const node of cluster.nodeNames) {
    for (const change of [{ kind: 'power', power: 'on' }, { kind: 'undrain' }] as const) await cluster.operate(nodeChanged(node, change));
  }
  await settle(cluster);
  const [refusal] = users.refused;
  if (refusal !== undefined) throw cluster.failure(refusal);
  return { cluster, convergedAfterMs: cluster.nowMs - healedAtMs };
}

/** Runs on until nothing is left to do; fails with what is. */
export async function settle(cluster: ClusterSimulation, limitMs = convergenceMs): Promise<void> {
  const deadlineMs = cluster.nowMs + limitMs;
  while (unsettled(cluster).length > 0) {
    if (cluster.nowMs >= deadlineMs) throw cluster.failure(`not settled within ${limitMs} virtual ms: ${unsettled(cluster).join('; ')}`);
    await cluster.run(1_000);
  }
}

/** The config of the app that random scenarios deploy. Short times, so that half a minute is long. */
export function shop(luck: Generator, { version, quality, count }: { readonly version: number; readonly quality: AppQuality; readonly count: number }) {
  return {
    name: 'shop',
    web: {
      run: { process: appCommand(quality, 100 + luck.integer(900)) },
      port: 3_000,
      health: {
        startup: '/healthz',
        ready: { http: '/healthz', interval: '2s' },
        ...(luck.chance(0.3) ? { alive: { http: '/healthz', interval: '3s' } } : {}),
      },
      count,
      env: { VERSION: String(version) },
      update: {
        minHealthy: '2s',
        healthyDeadline: '20s',
        progressDeadline: '40s',
        maxSurge: luck.integer(3),
        maxUnavailable: 1,
        maxParallel: 1 + luck.integer(2),
      },
      stop: { unroute: '3s', drain: '3s', kill: '2s' },
      restart: { delay: '500ms', maxDelay: '4s', attempts: 50, window: '5m' },
    },
  };
}

interface Users {
  /** Changes that are not answered yet. */
  waiting: number;
  /** What was refused for good. */
  readonly refused: string[];
}

/** Changes by users at random times. */
function act(cluster: ClusterSimulation): Users {
  const luck = cluster.simulation.random;
  const users: Users = { waiting: 0, refused: [] };
  const begin = async (change: UserChange): Promise<void> => {
    users.waiting++;
    try {
      await cluster.begin(change);
    } catch (error) {
      // A rollback without a release to go back to is the user's mistake.
      if (!hasCode(error, 'NOT_FOUND')) users.refused.push(`a user's change was refused: ${messageOf(error)}`);
    } finally {
      users.waiting--;
    }
  };
  let version = 1;
  const next = (): UserChange => {
    const kind = luck.pick(['deploy', 'deploy', 'deploy-broken', 'scale', 'scale', 'drain', 'undrain', 'power', 'rollback'] as const);
    const node = luck.pick(cluster.nodeNames);
    cluster.simulation.note(`USER ${kind} ${node}`);
    switch (kind) {
      case 'deploy':
        return deployed(shop(luck, { version: ++version, quality: luck.chance(0.2) ? 'stubborn' : 'good', count: 1 + luck.integer(5) }));
      case 'deploy-broken':
        return deployed(shop(luck, { version: ++version, quality: luck.pick(['crashes', 'never-listens', 'sick'] as const), count: 1 + luck.integer(4) }));
      case 'scale':
        return scaled('shop', 'web', 1 + luck.integer(5));
      case 'drain':
        return nodeChanged(node, { kind: 'drain', deadlineMs: 20_000, reason: 'maintenance' });
      case 'undrain':
        return nodeChanged(node, { kind: 'undrain' });
      case 'power':
        return nodeChanged(node, { kind: 'power', power: luck.chance(0.3) ? 'off' : 'on' });
      case 'rollback':
        return rolledBack('shop');
    }
  };
  for (let atMs = luck.exponential(meanChangeMs); atMs < faultyMs; atMs += luck.exponential(meanChangeMs)) {
    cluster.simulation.after(atMs, () => void begin(next()));
  }
  if (luck.chance(0.1)) cluster.simulation.after(faultyMs - 1, () => void begin(removed('shop')));
  return users;
}
