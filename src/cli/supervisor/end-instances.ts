import { AgentFolders } from '#agent/folders';
import { loadInstanceRecords, saveInstanceRecord } from '#agent/instance-record';
import type { World } from '#world/world';
import { stopProcess } from './keeper.ts';

/**
 * Ends every instance recorded in a node's folder, of which no agent runs any more: SIGTERM, and SIGKILL after `graceMs`; the next agent starts them afresh, and no
 * end is counted against them. When `graceMs` is 0, at once and without a word, as when the machine loses power.
 */
export async function endInstances(world: World, nodeDirectory: string, options: { readonly graceMs: number }): Promise<void> {
  const folders = new AgentFolders(nodeDirectory);
  const records = await loadInstanceRecords(world, folders);
  await Promise.all(
    records.map(async (record) => {
      const { stage } = record.state;
      const process =
        stage.kind === 'process'
          ? await world.processes.adopt(stage.identity)
          : stage.kind === 'starting'
            ? await world.processes.find(stage.token)
            : undefined;
      if (!process) return;
      if (options.graceMs === 0) {
        await process.signal('SIGKILL');
        return;
      }
      await stopProcess(world, process, options.graceMs);
      await saveInstanceRecord(world, folders, { ...record, state: { ...record.state, stage: { kind: 'idle' } } });
    }),
  );
}
