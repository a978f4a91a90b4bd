import { hasCode, messageOf } from '#base/errors';
import type { Instance, InstanceId, InstancePhase } from '#model/instance';
import { readRecord, writeRecord } from '#world/files';
import type { UnixMs, World } from '#world/world';
import { type AgentFolders, isInstanceId } from './folders.ts';
import type { KeeperState } from './keeper-state.ts';
import { type Moment, momentNow, rebaseMoments } from './moment.ts';

/** All that outlives the agent of one instance (B3): what was wanted last, and how far it came. At instances/ID/record.json. */
export interface InstanceRecord {
  readonly version: 1;
  readonly instance: Instance;
  readonly state: KeeperState;
  /** Of the status last made, so that a new agent does not make an old phase look young. */
  readonly phase?: { readonly name: InstancePhase; readonly since: UnixMs; readonly attempt: number };
}

/** Writes the record durably, keeping the copy before. */
export async function saveInstanceRecord(world: World, folders: AgentFolders, record: InstanceRecord): Promise<void> {
  await world.disk.makeDirectory(folders.instance(record.instance.id));
  await writeRecord(world.disk, folders.record(record.instance.id), record);
}

/** Every record of this node, with moments on this agent's clock. One that cannot be trusted is named in the log and left where it is. */
export async function loadInstanceRecords(world: World, folders: AgentFolders): Promise<InstanceRecord[]> {
  await world.disk.makeDirectory(folders.instances);
  const ids = (await world.disk.list(folders.instances)).filter(isInstanceId);
  const now = momentNow(world.clock);
  const records = await Promise.all(ids.map((id) => loadRecord(world, folders, { id, now })));
  return records.filter((record) => record !== undefined);
}

async function loadRecord(
  world: World,
  folders: AgentFolders,
  { id, now }: { readonly id: InstanceId; readonly now: Moment },
): Promise<InstanceRecord | undefined> {
  try {
    const read = await readRecord(world.disk, folders.record(id));
    if (!read) return undefined;
    if (read.fellBackBecause) world.log.write('warn', 'An instance is read from the copy before the last', { instance: id, cause: read.fellBackBecause });
    const record = read.value as InstanceRecord;
    if (record.version !== 1 || record.instance.id !== id) {
      world.log.write('error', 'The record of an instance is not one this version can read', { instance: id });
      return undefined;
    }
    return { ...record, state: rebaseMoments(record.state, now) };
  } catch (error) {
    if (!hasCode(error, 'CORRUPT')) throw error;
    world.log.write('error', 'The record of an instance is lost; its process may still run', { instance: id, cause: messageOf(error) });
    return undefined;
  }
}
