import { readFileSync } from 'node:fs';
import type { ConnectionCounts } from './dataplane/connection-counts.ts';

/** Of the files that a process may have open: what is kept for connections to backends, logs and the rest. */
const RESERVE = { share: 1 / 4, least: 64, most: 1_024 } as const;

/** How many connections of clients leave enough files for those to backends: one at least, however few there are. */
export function roomFor(files: number): number {
  return Math.max(1, files - Math.min(RESERVE.most, Math.max(RESERVE.least, Math.floor(files * RESERVE.share))));
}

/** How many files this process may have open, by what Linux says of it in this file; as many as one likes where it says nothing. */
export function openFilesLimit(path = '/proc/self/limits'): number {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync(path, 'latin1'))?.[1];
    return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
  } catch {
    // No system with such a file.
    return Number.POSITIVE_INFINITY;
  }
}

/** Lets in no more clients than there are files for. To be called now and then: the first time that somebody was turned away for it, `tell` is told. */
export function keepFilesFree(connections: ConnectionCounts, tell: (message: string) => void): () => void {
  const files = openFilesLimit();
  connections.room = roomFor(files);
  let isTold = false;
  return () => {
    if (isTold || connections.refused.files === 0) return;
    isTold = true;
    tell(
      `it may have ${files} files open, so clients beyond ${connections.room} connections are turned away; raise that limit (systemd: LimitNOFILE; shell: ulimit -n)`,
    );
  };
}
