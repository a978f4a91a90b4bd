import { formatSize } from '#base/bytes';
import { PlatformError } from '#base/errors';
import type { ArchiveLimits } from './archive-limits.ts';
import type { TarHeader } from './tar-format.ts';

/** What may be made on disk, by a path that stays in the folder. */
export type SafeEntry =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string; readonly mode: 0o644 | 0o755; readonly sizeBytes: number }
  /** A symbolic link; the target is relative and stays in the folder. */
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  /** A second name of the file at `target`, which came before. */
  | { readonly kind: 'hardlink'; readonly path: string; readonly target: string };

const maxSegmentBytes = 255;
const encoder = new TextEncoder();
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\x00-\x1f\x7f]/;

/**
 * Decides entry by entry what of an archive may be unpacked; everything else is refused with a sentence that names the entry.
 *
 * Invariants: G1 every path is relative, without `..`, and below directories only: nothing is written through a link. G2 a link's target climbs first and descends then, so
 * that no other link on its way can lead it out. G3 no path is made twice, but directories.
 */
export class EntryGuard {
  readonly #limits: ArchiveLimits;
  readonly #kindsByPath = new Map<string, SafeEntry['kind']>();
  #totalBytes = 0;

  constructor(limits: ArchiveLimits) {
    this.#limits = limits;
  }

  /** The entry as it may be made; `undefined` for the folder itself. INVALID or TOO_LARGE if it is refused. */
  admit(header: TarHeader): SafeEntry | undefined {
    const segments = this.#segments(header.path);
    if (segments.length === 0) {
      if (header.type === '5') return undefined;
      throw refusal(header.path, 'its path is empty');
    }
    const entry = this.#toEntry(header, segments);
    this.#count(entry);
    for (let depth = 1; depth < segments.length; depth++) {
      const parent = segments.slice(0, depth).join('/');
      const kind = this.#kindsByPath.get(parent) ?? 'directory';
      if (kind !== 'directory') throw refusal(header.path, `it lies below "${shown(parent)}", which is not a folder`);
      this.#kindsByPath.set(parent, 'directory');
    }
    const former = this.#kindsByPath.get(entry.path);
    if (former && !(former === 'directory' && entry.kind === 'directory')) throw refusal(header.path, 'there is another entry with its path');
    this.#kindsByPath.set(entry.path, entry.kind);
    return entry;
  }

  #toEntry(header: TarHeader, segments: readonly string[]): SafeEntry {
    const path = segments.join('/');
    switch (header.type) {
      case '0':
      case '7':
        // Owner, setuid and the sticky bit are not the archive's to give.
        return { kind: 'file', path, mode: (header.mode & 0o111) === 0 ? 0o644 : 0o755, sizeBytes: header.sizeBytes };
      case '5':
        return { kind: 'directory', path };
      case '2':
        checkLink(header, segments);
        return { kind: 'symlink', path, target: header.target };
      case '1': {
        const target = this.#segments(header.target).join('/');
        if (this.#kindsByPath.get(target) !== 'file')
          throw refusal(header.path, `it is a link to "${shown(header.target)}", which is no file of the archive before it`);
        return { kind: 'hardlink', path, target };
      }
      case '3':
      case '4':
        throw refusal(header.path, 'it is a device');
      case '6':
        throw refusal(header.path, 'it is a named pipe');
      default:
        throw refusal(header.path, `its type "${shown(header.type)}" is not known`);
    }
  }

  #count(entry: SafeEntry): void {
    // Folders that are only implied by a path count too, so that the number of names on disk is bounded.
    if (this.#kindsByPath.size >= this.#limits.entries) {
      throw new PlatformError('TOO_LARGE', `Cannot take the archive, because it has more than ${this.#limits.entries} entries`, { path: entry.path });
    }
    this.#totalBytes += entry.kind === 'file' ? entry.sizeBytes : 0;
    if (this.#totalBytes > this.#limits.totalBytes) {
      throw new PlatformError(
        'TOO_LARGE',
        `Cannot take the archive, because with "${shown(entry.path)}" its files have more than ${formatSize(this.#limits.totalBytes)}`,
        {
          path: entry.path,
        },
      );
    }
  }

  #segments(path: string): string[] {
    if (path.startsWith('/')) throw refusal(path, 'its path is absolute');
    if (CONTROL.test(path)) throw refusal(path, 'its path has a control character');
    if (encoder.encode(path).length > this.#limits.pathBytes) throw refusal(path, `its path is longer than ${this.#limits.pathBytes} bytes`);
    const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.');
    if (segments.includes('..')) throw refusal(path, 'its path leaves the folder by ".."');
    if (segments.some((segment) => encoder.encode(segment).length > maxSegmentBytes))
      throw refusal(path, `a name in its path is longer than ${maxSegmentBytes} bytes`);
    return segments;
  }
}

function checkLink(header: TarHeader, segments: readonly string[]): void {
  const { path, target } = header;
  if (target === '' || target.startsWith('/') || CONTROL.test(target)) throw refusal(path, `it is a link to "${shown(target)}", which is not a relative path`);
  const steps = target.split('/').filter((step) => step !== '' && step !== '.');
  const climbs = steps.findIndex((step) => step !== '..');
  const up = climbs < 0 ? steps.length : climbs;
  // G2
  if (steps.slice(up).includes('..')) throw refusal(path, `its target "${shown(target)}" has ".." after a name`);
  if (up > segments.length - 1) throw refusal(path, `it is a link to "${shown(target)}", which leaves the folder`);
}

function refusal(path: string, why: string): PlatformError {
  return new PlatformError('INVALID', `Cannot take "${shown(path)}" of the archive, because ${why}`, { path: shown(path) });
}

function shown(text: string): string {
  const clean = [...text].map((char) => (CONTROL.test(char) ? '?' : char)).join('');
  return clean.length > 120 ? `${clean.slice(0, 120)}…` : clean;
}
