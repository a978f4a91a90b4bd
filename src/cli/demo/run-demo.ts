import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PlatformError } from '#base/errors';
import type { World } from '#world/world';
import { addressesOf } from '../home.ts';
import { type LoadRequest, runLoad } from '../load/open-loop.ts';
import { DemoCluster } from './demo-cluster.ts';
import { Meter } from './meter.ts';
import type { DemoReport } from './report.ts';
import type { Row, RowResult, Stage } from './row.ts';
import { isWhole, ROWS, shopDirectory } from './rows.ts';
import { startSteadyLoad } from './steady-load.ts';

const NODES = 3;
const CONNECTIONS = 64;
const START_WITHIN_MS = 30_000;
/** Load goes on this long after a row, so that what it caused late counts as its own. */
const AFTERMATH_MS = 1_000;

export interface DemoOptions {
  readonly world: World;
  readonly ratePerSecond: number;
  /** How far the rate may go down on a machine that does not serve it even while nothing happens; not at all when absent. */
  readonly leastPerSecond?: number;
  /** Names of rows; all when absent. INVALID for one that does not exist. */
  readonly only?: readonly string[];
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
  readonly onRow?: (result: RowResult) => void;
}

/** Starts a cluster of its own, deploys the shop, and goes through the failover story while users browse and buy at a fixed rate. */
export async function runDemo(options: DemoOptions): Promise<DemoReport> {
  const { world, ratePerSecond, signal, onProgress } = options;
  const rows = chooseRows(options.only);
  const startedAt = new Date().toISOString();
  onProgress('Starting a cluster of its own with 3 local nodes …');
  await using cluster = await DemoCluster.start(world, signal);
  await expectSuccess(cluster, 'pool', 'create', 'worker', '--nodes', String(NODES));
  onProgress('Deploying the shop: 3 × web, api as active and standby …');
  await expectSuccess(cluster, 'deploy', shopDirectory, '--set', 'SHOP_VERSION=1');
  await cluster.watch.until('the whole shop serves', () => isWhole(cluster), { withinMs: START_WITHIN_MS, signal });

  const meter = new Meter();
  await using load = await startSteadyLoad({
    clock: world.clock,
    meter,
    wantedPerSecond: ratePerSecond,
    leastPerSecond: options.leastPerSecond ?? ratePerSecond,
    send: (rate, until) => sendLoad(cluster, { meter, ratePerSecond: rate, signal: until }),
    signal,
    onProgress,
  });
  const tick = setInterval(() => meter.closeSecond(), 1_000);
  const marks: { second: number; title: string }[] = [];
  const results: RowResult[] = [];
  try {
    for (const row of rows) {
      onProgress(`${row.title} …`);
      marks.push({ second: meter.seconds.length, title: row.title });
      const result = await play(row, { world, home: cluster.home, watch: cluster.watch, signal, haven: (...args) => cluster.haven(...args) }, meter);
      results.push(result);
      options.onRow?.(result);
    }
  } finally {
    clearInterval(tick);
  }
  return {
    startedAt,
    machine: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}, Linux ${release()}, Node ${process.versions.node}`,
    ratePerSecond: load.ratePerSecond,
    wantedPerSecond: ratePerSecond,
    rows: results,
    seconds: meter.seconds,
    marks,
    holds: results.every(({ breaches }) => breaches.length === 0),
  };
}

function chooseRows(only: readonly string[] | undefined): readonly Row[] {
  const unknown = only?.find((name) => ROWS.every((row) => row.name !== name));
  if (unknown !== undefined) throw new PlatformError('INVALID', `Cannot show "${unknown}", because the rows are ${ROWS.map(({ name }) => name).join(', ')}`);
  return only ? ROWS.filter(({ name }) => only.includes(name)) : ROWS;
}

async function play(row: Row, stage: Stage, meter: Meter): Promise<RowResult> {
  await stage.watch.until('the whole shop serves', () => isWhole(stage), { withinMs: START_WITHIN_MS, signal: stage.signal });
  meter.openWindow();
  const observation = await row.run(stage).catch((error: unknown) => {
    stage.signal.throwIfAborted();
    return { wrong: [error instanceof Error ? error.message : String(error)] };
  });
  await stage.world.clock.sleep(AFTERMATH_MS, stage.signal);
  const window = meter.closeWindow();
  return {
    name: row.name,
    title: row.title,
    must: row.must,
    ...window,
    ...observation,
    breaches: [...row.breaches(window, observation), ...(observation.wrong ?? [])],
  };
}

async function sendLoad(cluster: DemoCluster, load: { readonly meter: Meter; readonly ratePerSecond: number; readonly signal: AbortSignal }): Promise<void> {
  const run = `demo-${process.pid}`;
  const { shopRequest } = await shopTraffic();
  await runLoad({
    address: addressesOf(cluster.home).gateway,
    ratePerSecond: load.ratePerSecond,
    connections: CONNECTIONS,
    signal: load.signal,
    nextRequest: (index) => shopRequest(index, run),
    onResult: ({ method, status = 0, latencyMs, failure, proxyStatus }) => {
      load.meter.record({ method, status, latencyMs, reason: proxyStatus ?? (status === 0 ? (failure ?? '') : '') });
    },
  });
}

/** What the shop says of its users. The app is data to the demo, as it is to a deploy: found by its folder, never compiled in. */
async function shopTraffic(): Promise<{ readonly shopRequest: (index: number, run: string) => LoadRequest }> {
  return await import(pathToFileURL(join(shopDirectory, 'traffic.ts')).href);
}

async function expectSuccess(cluster: DemoCluster, ...args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await cluster.haven(...args);
  if (exitCode !== 0)
    throw new PlatformError('INTERNAL', `Cannot go on with the demo, because "haven ${args.join(' ')}" ended with ${exitCode}:\n${stderr.slice(-2_000)}`);
}
