import type { InstanceStatus } from '#model/instance';

type Usage = NonNullable<InstanceStatus['usage']>;

/** Less is not worth a write that wakes every watcher. */
const notableShare = 0.1;
const notableMemoryBytes = 4 * 1024 * 1024;
const notableCpuMs = 1_000;

/** True when somebody who looks at `published` would be told wrong by more than a tenth. */
export function isNotableUsage(published: Usage | undefined, measured: Usage): boolean {
  if (!published) return true;
  const memoryChange = Math.abs(measured.memoryBytes - published.memoryBytes);
  const cpuChange = measured.cpuMs - published.cpuMs;
  return (
    memoryChange > Math.max(notableMemoryBytes, notableShare * published.memoryBytes) || cpuChange > Math.max(notableCpuMs, notableShare * published.cpuMs)
  );
}
