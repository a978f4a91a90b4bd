import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Node } from '#model/node';
import type { Resources } from '#model/resources';
import { readRecord, writeRecord } from '#world/files';
import type { Disk } from '#world/world';

/** What the local provider tells the agent of a node through the node's folder, so that both can start while control is away. */
export interface NodeFile {
  readonly index: number;
  readonly resources: Resources;
}

/** Kept free for the machine itself and for Haven's own processes. */
const SHARE_FOR_APPS = 0.9;
/** Local nodes are stand-ins: without a size of their own each counts as one of this many on the machine. */
const NODES_PER_MACHINE = 3;

export async function writeNodeFile(disk: Disk, nodeDirectory: string, node: Node): Promise<void> {
  const file: NodeFile = { index: node.index, resources: node.resources ?? shareOfMachine() };
  await writeRecord(disk, join(nodeDirectory, 'node.json'), file);
}

export async function readNodeFile(disk: Disk, nodeDirectory: string): Promise<NodeFile | undefined> {
  return (await readRecord(disk, join(nodeDirectory, 'node.json')))?.value as NodeFile | undefined;
}

function shareOfMachine(): Resources {
  return {
    cpu: Math.floor((cpus().length * SHARE_FOR_APPS * 100) / NODES_PER_MACHINE) / 100,
    memoryBytes: Math.floor((totalmem() * SHARE_FOR_APPS) / NODES_PER_MACHINE),
  };
}
