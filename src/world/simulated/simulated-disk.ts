import { toBytes } from '#base/bytes';
import { PlatformError } from '#base/errors';
import type { Disk, FileStat, OpenFile, UnixMs } from '../world.ts';
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

  /** The files as one program sees them. */
  mount(life: Life, wall: () => UnixMs): Disk {
    return new SimulatedDisk({ drive: this, life, wall });
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

interface Mount {
  readonly drive: DiskDrive;
  readonly life: Life;
  readonly wall: () => UnixMs;
}

class SimulatedDisk implements Disk {
  readonly #mount: Mount;

  constructor(mount: Mount) {
    this.#mount = mount;
  }

  open(path: string, mode: 'read' | 'write' | 'create'): Promise<OpenFile> {
    return this.#work((drive) => {
      if (mode !== 'create' && !drive.find(path)) throw notFound('open', path);
      return new SimulatedFile(this.#mount, drive.fileAt(path, this.#mount.wall()), path, mode === 'read');
    });
  }

  stat(path: string): Promise<FileStat | undefined> {
    return this.#work((drive) => {
      const node = drive.find(path);
      return node && statOf(node);
    });
  }

  list(path: string): Promise<readonly string[]> {
    return this.#work((drive) => {
      const node = drive.find(path);
      if (node?.kind !== 'directory') throw notFound('list', path);
      return [...node.cached.keys()].sort();
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#work((drive) => {
      const source = drive.parent('rename', from);
      const target = drive.parent('rename', to);
      const node = source.directory.cached.get(source.name);
      const replaced = target.directory.cached.get(target.name);
      if (!node) throw notFound('rename', from);
      if (replaced === node) return;
      if (replaced?.kind === 'directory' && (node.kind === 'file' || replaced.cached.size > 0)) {
        const why = node.kind === 'file' ? 'it is a folder' : 'the folder is not empty';
        throw new PlatformError(node.kind === 'file' ? 'INVALID' : 'EXISTS', `Cannot rename "${from}" to "${to}", because ${why}`, { from, to });
      }
      drive.change([source.directory, target.directory], (view) => {
        view(source.directory).delete(source.name);
        view(target.directory).set(target.name, node);
      });
    });
  }

  remove(path: string): Promise<void> {
    return this.#work((drive) => {
      if (!drive.find(path)) return;
      const { directory, name } = drive.parent('remove', path);
      drive.change([directory], (view) => view(directory).delete(name));
    });
  }

  makeDirectory(path: string): Promise<void> {
    return this.#work((drive) => {
      const names = splitPath(path);
      for (let depth = 1; depth <= names.length; depth++) {
        const part = `/${names.slice(0, depth).join('/')}`;
        const existing = drive.find(part);
        if (existing?.kind === 'directory') continue;
        if (existing) throw new PlatformError('EXISTS', `Cannot make the folder "${part}", because a file is there`, { path: part });
        const { directory, name } = drive.parent('make', part);
        const made = newDirectory(this.#mount.wall());
        drive.change([directory], (view) => view(directory).set(name, made));
        drive.syncDirectory(directory);
      }
    });
  }

  syncDirectory(path: string): Promise<void> {
    return this.#mount.life.answer(this.#mount.drive.syncDelayMs(), () => {
      const node = this.#mount.drive.find(path);
      if (node?.kind !== 'directory') throw notFound('sync the folder', path);
      this.#mount.drive.syncDirectory(node);
    });
  }

  lock(path: string): Promise<Disposable | undefined> {
    return this.#work((drive) => {
      const file = drive.fileAt(path, this.#mount.wall());
      if (file.cached.length > 0) throw new PlatformError('INVALID', `Cannot lock "${path}", because it is not an empty file`, { path });
      return drive.lock(file, this.#mount.life);
    });
  }

  #work<Value>(work: (drive: DiskDrive) => Value): Promise<Value> {
    return this.#mount.life.answer(this.#mount.drive.delayMs(), () => work(this.#mount.drive));
  }
}

class SimulatedFile implements OpenFile {
  readonly #mount: Mount;
  readonly #node: FileNode;
  readonly #path: string;
  readonly #isReadOnly: boolean;

  constructor(mount: Mount, node: FileNode, path: string, isReadOnly: boolean) {
    this.#mount = mount;
    this.#node = node;
    this.#path = path;
    this.#isReadOnly = isReadOnly;
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return this.#work(() => this.#node.cached.slice(offset, offset + length));
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    const copy = bytes.slice();
    return this.#change(() => {
      this.#mount.drive.resize(this.#node, this.#path, Math.max(this.#node.cached.length, offset + copy.length));
      this.#node.cached.set(copy, offset);
    });
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#change(() => this.#mount.drive.resize(this.#node, this.#path, sizeBytes));
  }

  sync(): Promise<void> {
    return this.#mount.life.answer(this.#mount.drive.syncDelayMs(), () => this.#mount.drive.syncFile(this.#node, this.#path));
  }

  stat(): Promise<FileStat> {
    return this.#work(() => statOf(this.#node));
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #change(change: () => void): Promise<void> {
    return this.#work(() => {
      if (this.#isReadOnly) throw new PlatformError('INVALID', `Cannot write "${this.#path}", because it was opened for reading`, { path: this.#path });
      change();
      this.#node.modifiedAtMs = this.#mount.wall();
    });
  }

  #work<Value>(work: () => Value): Promise<Value> {
    return this.#mount.life.answer(this.#mount.drive.delayMs(), work);
  }
}

function statOf(node: DiskNode): FileStat {
  return { kind: node.kind, sizeBytes: node.kind === 'file' ? node.cached.length : 0, modifiedAt: node.modifiedAtMs as UnixMs };
}

function splitPath(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

function notFound(verb: string, path: string): PlatformError {
  return new PlatformError('NOT_FOUND', `Cannot ${verb} "${path}", because there is nothing there`, { path });
}
