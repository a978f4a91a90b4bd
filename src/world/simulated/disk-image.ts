import type { Generator } from './generator.ts';

/** What a disk writes at once: a torn write keeps whole sectors. */
const sectorBytes = 512;

export interface FileNode {
  readonly kind: 'file';
  /** What programs see. */
  cached: Uint8Array;
  /** What survives a power cut for certain. */
  durable: Uint8Array;
  modifiedAtMs: number;
}

export interface DirectoryNode {
  readonly kind: 'directory';
  cached: Map<string, DiskNode>;
  durable: Map<string, DiskNode>;
  modifiedAtMs: number;
}

export type DiskNode = FileNode | DirectoryNode;

/** A change of folders that a power cut may undo. Changes of one name in the same folder reach the disk in their order. */
export interface PendingChange {
  readonly directories: readonly DirectoryNode[];
  apply(): void;
}

export function newFile(nowMs: number): FileNode {
  return { kind: 'file', cached: new Uint8Array(), durable: new Uint8Array(), modifiedAtMs: nowMs };
}

export function newDirectory(nowMs: number): DirectoryNode {
  return { kind: 'directory', cached: new Map(), durable: new Map(), modifiedAtMs: nowMs };
}

/** The node at a path of names, or `undefined`. */
export function findNode(root: DirectoryNode, names: readonly string[]): DiskNode | undefined {
  let node: DiskNode | undefined = root;
  for (const name of names) node = node?.kind === 'directory' ? node.cached.get(name) : undefined;
  return node;
}

/** Bytes of all files programs can see. */
export function usedBytes(node: DiskNode): number {
  if (node.kind === 'file') return node.cached.length;
  let sum = 0;
  for (const child of node.cached.values()) sum += usedBytes(child);
  return sum;
}

/** The power went: of what was not synced each file keeps a random set of sectors, and of the folders' changes a random prefix. */
export function loseUnsynced(root: DirectoryNode, pending: PendingChange[], generator: Generator): void {
  const kept = generator.integer(pending.length + 1);
  for (const change of pending.splice(0).slice(0, kept)) change.apply();
  settle(root, generator);
}

function settle(node: DiskNode, generator: Generator): void {
  node.cached = node.kind === 'file' ? tear(node, generator) : new Map(node.durable);
  if (node.kind === 'file') node.durable = node.cached;
  else for (const child of node.durable.values()) settle(child, generator);
}

function tear(file: FileNode, generator: Generator): Uint8Array {
  const { cached, durable } = file;
  if (cached === durable) return cached;
  const length = generator.chance(0.5) ? cached.length : durable.length;
  const torn = new Uint8Array(length);
  torn.set(durable.subarray(0, length));
  for (let start = 0; start < length; start += sectorBytes) {
    const end = Math.min(start + sectorBytes, length, cached.length);
    if (end > start && generator.chance(0.5)) torn.set(cached.subarray(start, end), start);
  }
  return torn;
}
