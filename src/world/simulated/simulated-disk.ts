import { PlatformError } from '#base/errors';
import type { Disk, FileStat, OpenFile, UnixMs } from '../world.ts';
import { type DiskDrive, notFound, splitPath } from './disk-drive.ts';
import { type DiskNode, type FileNode, newDirectory } from './disk-image.ts';
import type { Life } from './life.ts';

interface Mount {
  readonly drive: DiskDrive;
  readonly life: Life;
  readonly wall: () => UnixMs;
}

/** The files of a drive as one program sees them. */
export class SimulatedDisk implements Disk {
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
