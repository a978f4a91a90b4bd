import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '#base/errors';
import type { World } from '#world/world';
import type { AgentParts } from '../agent.ts';
import { unpackArchive } from '../archive/unpack.ts';
import { EXAMPLE_NODE } from './example-instance.ts';
import type { TestCluster } from './test-cluster.ts';

export const TEST_TOKEN = 'the token of the test';

interface TestAgent {
  readonly world: World;
  readonly cluster: TestCluster;
  readonly directory: string;
  readonly path: string;
  readonly logLimitBytes?: number;
  /** Folder with artifacts by name. */
  readonly artifacts?: string;
}

/** All a real agent needs on this machine but its end. */
export function agentParts({ world, cluster, directory, path, logLimitBytes, artifacts }: TestAgent): Omit<AgentParts, 'signal'> {
  return {
    world,
    view: cluster.view(world),
    node: {
      node: EXAMPLE_NODE,
      host: '127.0.0.1',
      pid: process.pid,
      bootId: bootId,
      capacity: { cpu: 2, memoryBytes: 2 ** 30 },
      limits: 'none',
      version: 'test',
    },
    directory,
    artifacts: {
      open: async (artifact) => {
        if (artifacts === undefined) throw new PlatformError('NOT_FOUND', `There is no ${artifact}`);
        return createReadStream(join(artifacts, artifact));
      },
    },
    unpack: unpackArchive,
    secrets: { read: async (names) => Object.fromEntries(names.map((name) => [name, `secret ${name}`])) },
    options: {
      ports: { first: 31_000, last: 31_199 },
      path,
      api: { address: { host: '127.0.0.1', port: 0 }, token: TEST_TOKEN },
      ...(logLimitBytes === undefined ? {} : { logLimitBytes }),
    },
  };
}

const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
