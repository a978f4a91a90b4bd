import { toBytes } from '#base/bytes';
import { PlatformError } from '#base/errors';
import {
  type DirectoryNode,
  type DiskNode,
  type FileNode,
  findNode,
  loseUnsynced,
  newDirectory,
  newFile,
  type PendingChange,
  usedBytes,
} from './disk-image.ts';
import type { Generator } from './generator.ts';
import type { Life } from './life.ts';

/** What can be wrong with a simulated disk. */
export interface DiskConditions {
  readonly capacityBytes: number;
  readonly meanDelayMs: number;
  readonly meanSyncDelayMs: number;
  /** Probability that a sync fails, after which the file may hold anything between the last sync and now. */
  readonly syncFailure: number;
}

export const CALM_DISK: DiskConditions = { capacityBytes: Number.POSITIVE_INFINITY, meanDelayMs: 0.05, meanSyncDelayMs: 2, syncFailure: 0 };

/** The disk of one simulated host. It outlives the host's incarnations. */
export class DiskDrive {
  conditions: DiskConditions;
  readonly #generator: Generator;
  readonly #root: DirectoryNode = newDirectory(0);
  readonly #pending: PendingChange[] = [];
  readonly #locked = new Set<FileNode>();

  constructor(parts: { readonly generator: Generator; readonly conditions: DiskConditions }) {
    this.#generator = parts.generator;
    this.conditions = parts.conditions;
  }

  /** Power cut: what was not synced may be lost, in part. */
  cutPower(): void {
    loseUnsynced(this.#root, this.#pending, this.#generator);
  }

  /** Bit rot: flips one bit of a file, in cache and on the platter. */
  flipBit(path: string, bit: number): void {
    const node = findNode(this.#root, splitPath(path));
    if (node?.kind !== 'file') throw notFound('flip a bit of', path);
    node.cached = node.cached.slice();
    const index = Math.floor(bit / 8) % Math.max(1, node.cached.length);
    node.cached[index] = (node.cached[index] ?? 0) ^ (1 << (bit % 8));
    node.durable = node.cached;
  }

  /** What the kernel does for a process whose output goes to a file. */
  append(path: string, text: string, nowMs: number): void {
    if (this.find(path)?.kind === 'directory') return;
    const file = this.fileAt(path, nowMs);
    const bytes = toBytes(text);
    const offset = file.cached.length;
    this.resize(file, path, offset + bytes.length);
    file.cached.set(bytes, offset);
  }

  delayMs(): number {
    return this.#generator.exponential(this.conditions.meanDelayMs);
  }

  syncDelayMs(): number {
    return this.#generator.exponential(this.conditions.meanSyncDelayMs);
  }

  find(path: string): DiskNode | undefined {
    return findNode(this.#root, splitPath(path));
  }

  /** The file at `path`, made if there is none. */
  fileAt(path: string, nowMs: number): FileNode {
    const existing = this.find(path);
    if (existing?.kind === 'directory') throw new PlatformError('INVALID', `Cannot open "${path}", because it is a folder`, { path });
    if (existing) return existing;
    const { directory, name } = this.parent('create', path);
    const made = newFile(nowMs);
    this.change([directory], (view) => view(directory).set(name, made));
    return made;
  }

  /** The folder that holds `path`, and its name there. */
  parent(verb: string, path: string): { readonly directory: DirectoryNode; readonly name: string } {
    const names = splitPath(path);
    const name = names.pop();
    const directory = findNode(this.#root, names);
    if (name === undefined) throw new PlatformError('INVALID', `Cannot ${verb} "${path}", because it is the root`, { path });
    if (directory?.kind !== 'directory') throw notFound(verb, path);
    return { directory, name };
  }

  /** Changes folders now for programs, and for a power cut when one of them is synced. */
  change(directories: readonly DirectoryNode[], edit: (view: (directory: DirectoryNode) => Map<string, DiskNode>) => void): void {
    edit((directory) => directory.cached);
    this.#pending.push({ directories, apply: () => edit((directory) => directory.durable) });
  }

  syncDirectory(directory: DirectoryNode): void {
    const due = this.#pending.filter((change) => change.directories.includes(directory));
    const rest = this.#pending.filter((change) => !change.directories.includes(directory));
    for (const change of due) change.apply();
    this.#pending.splice(0, this.#pending.length, ...rest);
  }

  resize(file: FileNode, path: string, sizeBytes: number): void {
    const growthBytes = sizeBytes - file.cached.length;
    const { capacityBytes } = this.conditions;
    if (growthBytes > 0 && capacityBytes !== Number.POSITIVE_INFINITY && usedBytes(this.#root) + growthBytes > capacityBytes) {
      throw new PlatformError('LIMIT', `Cannot write "${path}", because the disk is full`, { path });
    }
    // A copy also where the size stays: what was synced last must not change with it.
    const resized = new Uint8Array(sizeBytes);
    resized.set(file.cached.subarray(0, sizeBytes));
    file.cached = resized;
  }

  /** Until it is disposed of or the life ends; `undefined` while another has it. */
  lock(file: FileNode, life: Life): Disposable | undefined {
    if (this.#locked.has(file)) return undefined;
    this.#locked.add(file);
    const held = new DisposableStack();
    held.defer(() => this.#locked.delete(file));
    held.use(life.onEnd(() => held.dispose()));
    return held;
  }

  syncFile(file: FileNode, path: string): void {
    if (this.#generator.chance(this.conditions.syncFailure)) {
      throw new PlatformError('INTERNAL', `Cannot sync "${path}", because the disk failed`, { path });
    }
    file.durable = file.cached;
  }
}

/** Names of folders, and of the file last. */
export function splitPath(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

export function notFound(verb: string, path: string): PlatformError {
  return new PlatformError('NOT_FOUND', `Cannot ${verb} "${path}", because there is nothing there`, { path });
}
