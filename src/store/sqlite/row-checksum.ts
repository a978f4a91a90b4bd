import { crc32 } from 'node:zlib';

/** One row of `changes` as it lies in the file. */
export interface ChangeRow {
  readonly sequence: number;
  readonly revision: number;
  readonly key: string;
  readonly value: string | null;
  readonly create_revision: number;
  readonly version: number;
  readonly lease: string;
}

/** CRC-32 of everything in the row. The numbers and lengths come first, so that no text can be taken for a part of another. */
export function changeChecksum(row: ChangeRow): number {
  const { sequence, revision, key, value } = row;
  const head = `${sequence} ${revision} ${row.create_revision} ${row.version} ${row.lease} ${key.length} ${value === null ? 'deleted' : value.length} ${key}`;
  return crc32(value ?? '', crc32(head));
}

export function leaseChecksum(id: string, durationMs: number): number {
  return crc32(`lease ${id} ${durationMs}`);
}

/** Counts and mixes the checksums of all rows, so that a row that vanished is noticed. */
export class Digest {
  rows = 0;
  mix = 0;

  add(checksum: number): void {
    this.rows++;
    this.mix = (this.mix ^ checksum) >>> 0;
  }

  remove(checksum: number): void {
    this.rows--;
    this.mix = (this.mix ^ checksum) >>> 0;
  }
}
