import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cgroupMembers, createCgroup, detectCgroups, removeCgroup } from '#world/node/cgroup';

const support = await detectCgroups();

/** Why this machine does not let us say how much of a core a process may have; `undefined` where it does. */
export const noQuotas = support.parents.cpu === undefined ? `needs control groups: ${support.reasons.join('; ')}` : undefined;

/** Lets these processes have no more than this share of a core while `work` runs. */
export async function withinQuota<Result>(pids: readonly number[], share: number, work: () => Promise<Result>): Promise<Result> {
  const { cgroup, unmet } = await createCgroup(support, `bench-${process.pid}`, { cpu: share });
  if (cgroup === undefined || unmet.length > 0) throw new Error(`Cannot measure with a part of a core: ${unmet.join('; ')}`);
  try {
    for (const directory of cgroup.directories) await moveTo(directory, pids);
    return await work();
  } finally {
    // Above the group and the folder of Haven's groups.
    for (const directory of cgroup.directories) await moveTo(join(directory, '../..'), await cgroupMembers({ ...cgroup, directories: [directory] }));
    await removeCgroup(cgroup);
  }
}

async function moveTo(directory: string, pids: readonly number[]): Promise<void> {
  for (const pid of pids) await writeFile(join(directory, 'cgroup.procs'), String(pid));
}
