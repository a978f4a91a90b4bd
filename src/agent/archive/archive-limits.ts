/** What an archive of an app may be at most, when it is packed and when it is unpacked. */
export interface ArchiveLimits {
  readonly entries: number;
  /** Of all files, unpacked. */
  readonly totalBytes: number;
  readonly pathBytes: number;
}

export const ARCHIVE_LIMITS: ArchiveLimits = { entries: 100_000, totalBytes: 2 * 1024 ** 3, pathBytes: 1_024 };
