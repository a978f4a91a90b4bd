import { existsSync, readFileSync } from 'node:fs';
import { PlatformError } from '#base/errors';

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/**
 * Says what is wrong with a write-ahead log that a crash left behind, `undefined` if it is sound. SQLite takes the first frame that does not
 * match its checksum for the end and drops the rest. That is right for a write the crash tore, which can only be the last transaction, as each is
 * synced before the next begins; a later transaction behind it means that stored bytes changed. Layout: "WAL-mode File Format",
 * https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 */
export function faultInWriteAheadLog(log: Buffer): string | undefined {
  if (log.length < HEADER_BYTES || log.subarray(0, HEADER_BYTES).every((byte) => byte === 0)) return undefined;
  const magic = log.readUInt32BE(0);
  if (magic !== 0x377f0682 && magic !== 0x377f0683) return 'the header of its write-ahead log is not one';
  const isBigEndian = magic === 0x377f0683;
  let sum = sumOf(log.subarray(0, 24), [0, 0], isBigEndian);
  if (!matches(log, 24, sum)) return 'the header of its write-ahead log does not match its checksum';

  const pageBytes = log.readUInt32BE(8);
  const salt = log.subarray(16, 24);
  const frameBytes = FRAME_HEADER_BYTES + pageBytes;
  let isTorn = false;
  let commitsBehind = 0;
  for (let offset = HEADER_BYTES; offset + frameBytes <= log.length; offset += frameBytes) {
    const isOurs = log.subarray(offset + 8, offset + 16).equals(salt);
    if (!isTorn) {
      sum = sumOf(log.subarray(offset, offset + 8), sum, isBigEndian);
      sum = sumOf(log.subarray(offset + FRAME_HEADER_BYTES, offset + frameBytes), sum, isBigEndian);
      isTorn = !isOurs || !matches(log, offset + 16, sum);
    }
    const endsTransaction = log.readUInt32BE(offset + 4) !== 0;
    if (isTorn && isOurs && endsTransaction) commitsBehind++;
    if (commitsBehind >= 2) return 'a record in its write-ahead log does not match its checksum, and later records exist';
  }
  return undefined;
}

/** CORRUPT if the log at `path` of the database would lose acknowledged transactions. */
export function checkWriteAheadLog(path: string, databasePath: string): void {
  if (!existsSync(path)) return;
  const fault = faultInWriteAheadLog(readFileSync(path));
  if (fault === undefined) return;
  throw new PlatformError(
    'CORRUPT',
    `Cannot open the store in "${databasePath}", because ${fault}; nothing was overwritten. Restore the folder from a backup, or move it away to begin with an empty store`,
    { path },
  );
}

type Sum = readonly [number, number];

function sumOf(bytes: Buffer, [start0, start1]: Sum, isBigEndian: boolean): Sum {
  let s0 = start0;
  let s1 = start1;
  for (let i = 0; i < bytes.length; i += 8) {
    s0 = (s0 + (isBigEndian ? bytes.readUInt32BE(i) : bytes.readUInt32LE(i)) + s1) >>> 0;
    s1 = (s1 + (isBigEndian ? bytes.readUInt32BE(i + 4) : bytes.readUInt32LE(i + 4)) + s0) >>> 0;
  }
  return [s0, s1];
}

function matches(log: Buffer, offset: number, [s0, s1]: Sum): boolean {
  return log.readUInt32BE(offset) === s0 && log.readUInt32BE(offset + 4) === s1;
}
