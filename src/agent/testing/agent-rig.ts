import assert from 'node:assert/strict';
import { PlatformError } from '#base/errors';
import type { InstanceId, InstanceStatus } from '#model/instance';
import type { Program } from '#world/simulated/program';
import { Simulation } from '#world/simulated/simulation';
import type { RunningProcess } from '#world/world';
import { runAgent } from '../agent.ts';
import { EXAMPLE_NODE } from './example-instance.ts';
import { TestCluster } from './test-cluster.ts';

const AGENT = 'agent';
/** The machine of every rig. */
export const HOST = 'machine';

/** A server that answers 200, or 500 when `FAIL_AFTER_MS` has passed and to every `FAIL_EVERY`th request; ignores SIGTERM with `STUBBORN`. */
const server: Program = async ({ world, signal, environment, print }) => {
  let requests = 0;
  const { PORT, FAIL_AFTER_MS, FAIL_EVERY, STUBBORN, READY_AFTER_MS } = environment;
  print(`started with port ${PORT}\n`);
  await world.clock.sleep(Number(READY_AFTER_MS ?? 0), signal);
  const startedAt = world.clock.now();
  await using _server = await world.network.serve({ host: '127.0.0.1', port: Number(PORT) }, async () => {
    requests++;
    const isLate = FAIL_AFTER_MS !== undefined && world.clock.now() - startedAt >= Number(FAIL_AFTER_MS);
    const isBad = isLate || (FAIL_EVERY !== undefined && requests % Number(FAIL_EVERY) === 0);
    return { status: isBad ? 500 : 200, headers: {}, body: (async function* () {})() };
  });
  await world.clock.sleep(1e12, STUBBORN === undefined ? signal : undefined).catch(() => undefined);
};

/** Ends after LIFE_MS with CODE; with FOR_RUNS, only the first runs do. */
const mortal: Program = async ({ world, environment, print }) => {
  print('about to end\n');
  await world.clock.sleep(Number(environment.LIFE_MS ?? 0));
  print('ending now\n');
  return Number(environment.CODE ?? 1);
};

/** Leaves a child behind that never ends. */
const parent: Program = async ({ world, signal, fork }) => {
  fork('orphan');
  await world.clock.sleep(1e12, signal).catch(() => undefined);
};

const orphan: Program = async ({ world }) => await world.clock.sleep(1e12);

/** An agent on a simulated machine, and the cluster it belongs to. */
export class AgentRig {
  readonly simulation: Simulation;
  readonly cluster = new TestCluster();
  #agent: RunningProcess | undefined;
  secrets: Readonly<Record<string, string>> | undefined = { PASSWORD: 'open sesame' };
  artifact: Uint8Array = new TextEncoder().encode('the archive');

  constructor({ seed = 1, drain }: { readonly seed?: number; readonly drain: () => Promise<void> }) {
    this.simulation = new Simulation({ seed, drain, maxDrift: 0.01, maxWallSkewMs: 3_600_000 });
    for (const [name, program] of Object.entries({ server, mortal, parent, orphan })) this.simulation.program(name, program);
    this.simulation.program(AGENT, async ({ world, signal }) => {
      await runAgent({
        world,
        view: this.cluster.view(world),
        node: {
          node: EXAMPLE_NODE,
          host: '127.0.0.1',
          pid: 1,
          bootId: `${HOST}-${this.simulation.host(HOST).incarnation}`,
          capacity: { cpu: 1, memoryBytes: 2 ** 30 },
          limits: 'none',
          version: 'test',
        },
        directory: '/node',
        artifacts: {
          open: async () => {
            await world.clock.sleep(1);
            if (!this.cluster.isReachable) throw new PlatformError('UNAVAILABLE', 'Cannot reach control');
            return chunks(this.artifact);
          },
        },
        unpack: async (_archive, folder) => await world.disk.makeDirectory(folder),
        secrets: {
          read: async (names) => {
            await world.clock.sleep(1);
            if (!this.cluster.isReachable || !this.secrets) throw new PlatformError('UNAVAILABLE', 'Cannot reach control');
            const missing = names.find((name) => this.secrets?.[name] === undefined);
            if (missing) throw new PlatformError('NOT_FOUND', `There is no secret ${missing}`);
            return this.secrets;
          },
        },
        options: { ports: { first: 20_000, last: 20_399 }, path: '/bin', api: { address: { host: '127.0.0.1', port: 9_000 }, token: 'let me in' } },
        signal,
      });
    });
  }

  /** Lets time pass until an instance is in the phase. */
  async reach(id: InstanceId, phase: InstanceStatus['phase'], limitMs = 120_000): Promise<InstanceStatus> {
    const untilMs = this.simulation.nowMs + limitMs;
    await this.simulation.run({ untilMs, until: () => this.cluster.status(id)?.phase === phase });
    const status = this.cluster.status(id);
    assert.equal(status?.phase, phase, `${id} is ${status?.phase}: ${status?.reason}\n${this.simulation.trace.slice(-30).join('\n')}`);
    return status;
  }

  async pass(ms: number): Promise<void> {
    await this.simulation.run({ untilMs: this.simulation.nowMs + ms });
  }

  /** Runs of a program so far, by the trace. */
  starts(command: string): number {
    return this.simulation.trace.filter((line) => line.includes(` runs ${command} `)).length;
  }

  async startAgent(): Promise<void> {
    const { world } = this.simulation.host(HOST);
    this.#agent = await this.simulation.complete(world.processes.spawn({ command: AGENT, args: [], workingDirectory: '/', environment: {} }));
  }

  /** kill -9. */
  async killAgent(): Promise<void> {
    assert.ok(this.#agent);
    await this.simulation.complete(this.#agent.signal('SIGKILL'));
  }

  async powerCut(): Promise<void> {
    this.simulation.host(HOST).crash();
    await this.pass(100);
    this.simulation.host(HOST).restart();
    await this.startAgent();
  }
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
