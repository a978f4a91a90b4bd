import { AgentFolders } from '#agent/folders';
import { loadInstanceRecords } from '#agent/instance-record';
import type { World } from '#world/world';
import { stopProcess } from './keeper.ts';

/** Ends every instance recorded in a node's folder, whether an agent runs or not: SIGTERM, and SIGKILL after `graceMs`; at once when that is 0. */
export async function endInstances(world: World, nodeDirectory: string, options: { readonly graceMs: number }): Promise<void> {
  const records = await loadInstanceRecords(world, new AgentFolders(nodeDirectory));
  await Promise.all(
    records.map(async ({ state }) => {
      const { stage } = state;
      const process =
        stage.kind === 'process'
          ? await world.processes.adopt(stage.identity)
          : stage.kind === 'starting'
            ? await world.processes.find(stage.token)
            : undefined;
      if (!process) return;
      if (options.graceMs === 0) await process.signal('SIGKILL');
      else await stopProcess(world, process, options.graceMs);
    }),
  );
}
