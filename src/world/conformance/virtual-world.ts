import { toBytes, toText } from '#base/bytes';
import { readFile, writeFileAtomic } from '../files.ts';
import type { ProgramContext } from '../simulated/program.ts';
import type { Simulation } from '../simulated/simulation.ts';
import type { ProcessIdentity, ProcessSpec } from '../world.ts';
import { startSimulation } from './start-simulation.ts';
import type { WorldUnderTest } from './world-under-test.ts';

const identityPath = '/bench/identity';

/** A fresh simulated host for each claim, with clocks that drift. */
export function virtualWorld(seed: number): WorldUnderTest {
  return {
    name: `simulated, seed ${seed}`,
    programs: {
      exitWith: (code) => program('exit', [String(code)]),
      print: (text) => program('print', [text]),
      waitForever: () => program('wait', []),
      waitWithChild: () => program('wait-with-child', []),
      leaveChild: () => program('leave-child', []),
      holdLock: (path) => program('hold-lock', [path]),
    },
    async run(body) {
      const simulation = startSimulation({ seed, maxDrift: 0.01, maxWallSkewMs: 3_600_000 });
      addPrograms(simulation);
      const { world } = simulation.host('bench');
      const claim = async () => {
        await world.disk.makeDirectory('/bench/empty');
        await body({ world, directory: '/bench/empty' });
      };
      await simulation.complete(claim());
    },
    async startInAnotherLife({ world }, spec) {
      const starter = await world.processes.spawn(program('start', [JSON.stringify(spec)]));
      await starter.exited;
      return JSON.parse(toText((await readFile(world.disk, identityPath)) ?? new Uint8Array())) as ProcessIdentity;
    },
  };
}

function program(command: string, args: readonly string[]): ProcessSpec {
  return { command, args, workingDirectory: '/', environment: {} };
}

async function holdLock({ world, signal, arguments: [path = ''], print }: ProgramContext): Promise<number> {
  using lock = await world.disk.lock(path);
  if (lock === undefined) return 1;
  print('held');
  await world.clock.sleep(60_000, signal);
  return 0;
}

function addPrograms(simulation: Simulation): void {
  simulation.program('exit', async (context) => Number(context.arguments[0]));
  simulation.program('print', async (context) => context.print(context.arguments[0] ?? ''));
  simulation.program('wait', async ({ world, signal }) => await world.clock.sleep(60_000, signal));
  simulation.program('wait-with-child', async ({ world, signal, fork }) => {
    fork('wait');
    await world.clock.sleep(60_000, signal);
  });
  simulation.program('leave-child', async ({ fork }) => fork('wait'));
  simulation.program('hold-lock', async (context) => await holdLock(context));
  simulation.program('start', async ({ world, arguments: [spec = ''] }) => {
    const started = await world.processes.spawn(JSON.parse(spec) as ProcessSpec);
    await writeFileAtomic(world.disk, identityPath, toBytes(JSON.stringify(started.identity)));
  });
}
