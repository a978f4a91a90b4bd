import { join } from 'node:path';
import type { World } from '#world/world';
import { type Home, pathsOf } from '../home.ts';
import { endInstances } from './end-instances.ts';
import { findRecorded, forgetRecorded, stopProcess } from './keeper.ts';

const AGENT_GRACE_MS = 1_000;
const INSTANCE_GRACE_MS = 2_000;
const GATEWAY_GRACE_MS = 1_000;
const CONTROL_GRACE_MS = 1_500;

/**
 * Ends every process of the cluster on this machine within 5 s, found by the records they left: agents, then instances, while the gateway still answers,
 * then the gateway, then control. Works without a supervisor too, after that was killed.
 */
export async function endAll(world: World, home: Home): Promise<void> {
  const paths = pathsOf(home);
  const nodes = await world.disk.list(join(home.directory, 'nodes')).catch(() => []);
  await Promise.all(
    nodes.map(async (node) => {
      // An agent that still ran would take the end of its instances for a failure.
      await endRecorded(world, home, `agent-${node}`, AGENT_GRACE_MS);
      await endInstances(world, paths.node(node), { graceMs: INSTANCE_GRACE_MS });
    }),
  );
  await endRecorded(world, home, 'gateway', GATEWAY_GRACE_MS);
  await endRecorded(world, home, 'control', CONTROL_GRACE_MS);
}

/** Ends what lives of the process recorded under `run/NAME.json`. */
export async function endRecorded(world: World, home: Home, name: string, graceMs: number): Promise<void> {
  const path = join(pathsOf(home).run, `${name}.json`);
  const process = await findRecorded(world, path);
  if (process) await stopProcess(world, process, graceMs);
  await forgetRecorded(world, path);
}
