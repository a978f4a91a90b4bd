import { accessSync, constants } from 'node:fs';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where groups of processes are given CPU time (cgroup v1). */
const controller = '/sys/fs/cgroup/cpu';
const periodUs = 10_000;

/** Whether this machine lets us say how much of a core a process may have. */
export function hasQuotas(): boolean {
  try {
    accessSync(join(controller, 'cgroup.procs'), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Lets these processes have no more than this share of a core while `work` runs. */
export async function withinQuota<Result>(pids: readonly number[], share: number, work: () => Promise<Result>): Promise<Result> {
  const group = join(controller, `haven-bench-${process.pid}`);
  await mkdir(group);
  try {
    await writeFile(join(group, 'cpu.cfs_period_us'), String(periodUs));
    await writeFile(join(group, 'cpu.cfs_quota_us'), String(Math.round(periodUs * share)));
    await moveTo(group, pids);
    return await work();
  } finally {
    await moveTo(controller, (await readFile(join(group, 'cgroup.procs'), 'latin1')).split('\n').filter(Boolean).map(Number));
    await rmdir(group);
  }
}

async function moveTo(group: string, pids: readonly number[]): Promise<void> {
  for (const pid of pids) await writeFile(join(group, 'cgroup.procs'), String(pid));
}
