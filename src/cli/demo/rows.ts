import { join } from 'node:path';
import { LEASE_MS } from '#agent/registration';
import { assert } from '#base/assert';
import type { Name } from '#base/name';
import type { RunningProcess } from '#world/world';
import { addressesOf, pathsOf } from '../home.ts';
import { answersHealthz } from '../lifecycle.ts';
import { findRecorded } from '../supervisor/keeper.ts';
import type { SeenInstance } from './cluster-watch.ts';
import { nothingFailed, type Observation, onlySentPostsFailed, type Row, type Stage, within } from './row.ts';

const WEB_COUNT = 3;
const API_COUNT = 2;
const PATIENCE_MS = 60_000;
const HANG_MS = 8_000;
const CONTROL_AWAY_MS = 10_000;
const SETTLE_MS = 1_000;

/** The failover story, in the order in which it is told. */
export const ROWS: readonly Row[] = [
  {
    name: 'steady',
    title: 'Nothing happens',
    must: '0 failed',
    run: async ({ world, signal }) => {
      await world.clock.sleep(5_000, signal);
      return {};
    },
    breaches: nothingFailed,
  },
  {
    name: 'kill-instance',
    title: 'kill -9 one instance',
    must: '0 failed GETs, POSTs only if already sent, ready again ≤ 3 s',
    run: killInstance,
    breaches: (window, { recoverMs }) => [...onlySentPostsFailed(window), ...within('a new instance', recoverMs, 3_000)],
  },
  {
    name: 'hang-instance',
    title: 'SIGSTOP one instance',
    must: '0 failed GETs, out of rotation ≤ 3 s',
    run: hangInstance,
    breaches: (window, { detectMs }) => [...onlySentPostsFailed(window), ...within('taking it out', detectMs, 3_000)],
  },
  {
    name: 'node-lost',
    title: 'Lose a whole node',
    must: `0 failed GETs, replaced ≤ lease + 5 s (${LEASE_MS / 1_000 + 5} s)`,
    run: loseNode,
    breaches: (window, { recoverMs }) => [...onlySentPostsFailed(window), ...within('replacing', recoverMs, LEASE_MS + 5_000)],
  },
  {
    name: 'switch',
    title: 'Switch active → standby',
    must: '0 failed',
    run: switchActive,
    breaches: nothingFailed,
  },
  {
    name: 'rolling-deploy',
    title: 'Rolling deploy, 3 times',
    must: '0 failed of all methods',
    run: rollThreeTimes,
    breaches: nothingFailed,
  },
  {
    name: 'broken-release',
    title: 'Deploy a broken release',
    must: '0 failed, old instances untouched, exit code 4',
    run: deployBroken,
    breaches: nothingFailed,
  },
  {
    name: 'agent-restart',
    title: 'kill -9 an agent',
    must: '0 failed, all re-adopted ≤ 2 s, none restarted',
    run: killAgent,
    breaches: (window, { recoverMs }) => [...nothingFailed(window), ...within('re-adopting', recoverMs, 2_000)],
  },
  {
    name: 'control-away',
    title: 'kill -9 control for 10 s',
    must: '0 failed',
    run: loseControl,
    breaches: nothingFailed,
  },
];

async function killInstance(stage: Stage): Promise<Observation> {
  const { watch, signal } = stage;
  const victim = pickServing(stage, 'web');
  const { id } = victim.instance;
  const attempt = victim.status?.attempt ?? 0;
  signalLeader(victim, 'SIGKILL');
  const [detectMs, recoverMs] = await Promise.all([
    watch.until(`${id} is known to have ended`, () => seen(stage, id)?.isServing === false, { withinMs: PATIENCE_MS, signal }),
    watch.until(`${id} serves again`, () => isServingAttempt(stage, id, attempt + 1), { withinMs: PATIENCE_MS, signal }),
  ]);
  return { detectMs, recoverMs };
}

async function hangInstance(stage: Stage): Promise<Observation> {
  const { world, watch, signal } = stage;
  const victim = pickServing(stage, 'web');
  const { id } = victim.instance;
  signalLeader(victim, 'SIGSTOP');
  try {
    const detectMs = await watch.until(`${id} is out of rotation`, () => seen(stage, id)?.isServing === false, { withinMs: PATIENCE_MS, signal });
    await world.clock.sleep(Math.max(0, HANG_MS - detectMs), signal);
    signalLeader(victim, 'SIGCONT');
    const backMs = await watch.until(`${id} serves again`, () => seen(stage, id)?.isServing === true, { withinMs: PATIENCE_MS, signal });
    return { detectMs, recoverMs: HANG_MS + backMs, notes: [`it hung for ${HANG_MS / 1_000} s and was back ${(backMs / 1_000).toFixed(1)} s after`] };
  } finally {
    signalLeader(victim, 'SIGCONT');
  }
}

async function loseNode(stage: Stage): Promise<Observation> {
  const { watch, signal } = stage;
  const countByNode = new Map<Name, number>();
  for (const { instance } of watch.instances()) countByNode.set(instance.node, (countByNode.get(instance.node) ?? 0) + 1);
  const [[node, lost] = []] = [...countByNode].sort((a, b) => b[1] - a[1]);
  assert(node, 'a node has instances');
  const powerOff = await stage.haven('node', 'power', node, 'off');
  const [detectMs, recoverMs] = await Promise.all([
    watch.until(`node ${node} is known to be lost`, () => watch.agents().every((agent) => agent.node !== node), { withinMs: PATIENCE_MS, signal }),
    watch.until('all instances serve elsewhere', () => isWhole(stage, node), { withinMs: PATIENCE_MS, signal }),
  ]);
  await stage.haven('node', 'power', node, 'on');
  await watch.until(`node ${node} is back`, () => watch.agents().some((agent) => agent.node === node), { withinMs: PATIENCE_MS, signal });
  return { detectMs, recoverMs, notes: [`${node} went down with ${lost} instances`], wrong: powerOff.exitCode === 0 ? [] : [powerOff.stderr] };
}

async function switchActive(stage: Stage): Promise<Observation> {
  const { world, watch, signal } = stage;
  const activeSlot = () => watch.instances('api').find(({ instance, isServing }) => instance.tier === 'primary' && isServing)?.instance.slot;
  const before = activeSlot();
  const startedAt = world.clock.now();
  const { exitCode, stderr } = await stage.haven('switch', 'shop/api');
  await watch.until('the standby is active', () => activeSlot() !== undefined && activeSlot() !== before, { withinMs: PATIENCE_MS, signal });
  return { recoverMs: world.clock.now() - startedAt, wrong: exitCode === 0 ? [] : [stderr] };
}

let version = 1;

async function rollThreeTimes(stage: Stage): Promise<Observation> {
  const { world } = stage;
  const startedAt = world.clock.now();
  const wrong: string[] = [];
  for (let round = 0; round < 3; round++) {
    version++;
    const { exitCode, stderr } = await stage.haven('deploy', shopDirectory, '--set', `SHOP_VERSION=${version}`);
    if (exitCode !== 0) wrong.push(`deploy of version ${version} ended with ${exitCode}: ${stderr.slice(-500)}`);
  }
  return { recoverMs: world.clock.now() - startedAt, notes: [`${((world.clock.now() - startedAt) / 3_000).toFixed(1)} s for each deploy`], wrong };
}

async function deployBroken(stage: Stage): Promise<Observation> {
  const { world, watch } = stage;
  const pids = () =>
    watch
      .instances('web')
      .flatMap(({ instance, status }) => (instance.intent.kind === 'run' ? [`${instance.id} ${status?.pid}`] : []))
      .sort();
  const before = pids();
  const startedAt = world.clock.now();
  const { exitCode, stderr } = await stage.haven('deploy', shopDirectory, '--set', `SHOP_VERSION=${version}`, '--set', 'SHOP_BROKEN=1');
  const recoverMs = world.clock.now() - startedAt;
  const cause = stderr.split('\n').find((line) => line.includes('SHOP_BROKEN'));
  const after = pids();
  return {
    recoverMs,
    notes: [`exit code ${exitCode}; ${cause?.trim() ?? 'no cause was printed'}`],
    wrong: [
      ...(exitCode === 4 ? [] : [`the exit code is ${exitCode}, not 4`]),
      ...(cause === undefined ? ['the cause was not printed'] : []),
      ...(before.every((line) => after.includes(line)) ? [] : ['an old instance was touched']),
    ],
  };
}

async function killAgent(stage: Stage): Promise<Observation> {
  const { world, watch, signal } = stage;
  const { node } = pickServing(stage, 'web').instance;
  const ofNode = () => watch.instances().filter(({ instance }) => instance.node === node);
  const before = new Map(ofNode().map(({ instance, status }) => [instance.id, `${status?.pid} ${status?.attempt}`]));
  const oldPid = watch.agents().find((agent) => agent.node === node)?.pid;
  const startedAt = world.clock.now();
  await (await haveOwn(stage, `agent-${node}`)).signal('SIGKILL');
  // A new agent registers only after it has found its instances again.
  await watch.until('a new agent has registered', () => watch.agents().some((agent) => agent.node === node && agent.pid !== oldPid), {
    withinMs: PATIENCE_MS,
    signal,
  });
  const recoverMs = world.clock.now() - startedAt;
  await world.clock.sleep(SETTLE_MS, signal);
  const restarted = ofNode().filter(({ instance, status }) => before.get(instance.id) !== `${status?.pid} ${status?.attempt}`);
  return {
    recoverMs,
    notes: [`${before.size} instances of ${node} found again`],
    wrong: restarted.map(({ instance }) => `${instance.id} is another process than before`),
  };
}

async function loseControl(stage: Stage): Promise<Observation> {
  const { world, home, watch, signal } = stage;
  const hold = join(pathsOf(home).run, 'control.hold');
  const pids = () =>
    watch
      .instances()
      .map(({ instance, status }) => `${instance.id} ${status?.pid}`)
      .sort()
      .join();
  const before = pids();
  await using held = await world.disk.open(hold, 'create');
  await held.sync();
  try {
    await (await haveOwn(stage, 'control')).signal('SIGKILL');
    await world.clock.sleep(CONTROL_AWAY_MS, signal);
  } finally {
    await world.disk.remove(hold);
  }
  const backAt = world.clock.now();
  const { api } = addressesOf(home);
  const answers = () => answersHealthz(world, api, signal).catch(() => false);
  while (!(await answers())) await world.clock.sleep(20, signal);
  const recoverMs = CONTROL_AWAY_MS + world.clock.now() - backAt;
  // Whatever control would wrongly make of its absence shows within a lease.
  await world.clock.sleep(LEASE_MS / 2, signal);
  return { recoverMs, wrong: pids() === before ? [] : ['instances were restarted or moved'] };
}

export const shopDirectory = join(import.meta.dirname, '../../../examples/shop');

function pickServing(stage: Stage, service: string): SeenInstance {
  const [first] = stage.watch.instances(service).filter(({ isServing }) => isServing);
  assert(first, `an instance of ${service} serves`);
  return first;
}

function seen(stage: Stage, id: string): SeenInstance | undefined {
  return stage.watch.instances().find(({ instance }) => instance.id === id);
}

function isServingAttempt(stage: Stage, id: string, attempt: number): boolean {
  const found = seen(stage, id);
  return found?.isServing === true && (found.status?.attempt ?? 0) >= attempt;
}

/** Every service has all its instances serving, none of them on `without`. */
export function isWhole(stage: Pick<Stage, 'watch'>, without?: string): boolean {
  const serving = (service: string) => stage.watch.instances(service).filter(({ instance, isServing }) => isServing && instance.node !== without).length;
  return serving('web') >= WEB_COUNT && serving('api') >= API_COUNT;
}

/** The leader alone, as when it crashes or hangs: the rest of its group is for the agent to clean up. */
function signalLeader({ status }: SeenInstance, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
  assert(status?.pid, 'an instance that serves has a pid');
  process.kill(status.pid, signal);
}

async function haveOwn({ world, home }: Stage, name: string): Promise<RunningProcess> {
  const process = await findRecorded(world, join(pathsOf(home).run, `${name}.json`));
  assert(process, `${name} runs`);
  return process;
}
