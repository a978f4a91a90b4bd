import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { argv, env } from 'node:process';
import { runAgent } from '#agent/agent';
import { assert } from '#base/assert';
import { parseName } from '#base/name';
import { RemoteView } from '#control/remote-view';
import { detectCgroups } from '#world/node/cgroup';
import { nodeWorld } from '#world/node/node-world';
import { addressesOf, homeOf, instancePortsOf, pathsOf } from '../home.ts';
import { VERSION } from '../version.ts';
import { LeaseThread } from './lease-thread.ts';
import { readNodeFile } from './node-file.ts';
import { remoteArtifacts, remoteSecrets } from './remote-sources.ts';
import { runProgram } from './run-program.ts';

const LOOPBACK = '127.0.0.1';

const name = parseName(argv[2] ?? '', 'a node');
const home = homeOf(env);
const directory = pathsOf(home).node(name);
const world = nodeWorld({ logLevel: 'info', logName: `agent ${name}` });

const [file, token, apiToken, cgroups, bootId] = await Promise.all([
  readNodeFile(world.disk, directory),
  readFile(join(directory, 'token'), 'utf8'),
  readFile(join(directory, 'api-token'), 'utf8'),
  detectCgroups(),
  readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => 'unknown'),
]);
assert(file, `the folder of node ${name} says what it is`);
const api = { address: addressesOf(home).api, token: token.trim() };

await runProgram((signal) =>
  runAgent({
    world,
    view: new RemoteView(world, api),
    node: {
      node: name,
      host: LOOPBACK,
      pid: process.pid,
      bootId: bootId.trim(),
      capacity: file.resources,
      limits: cgroups.kind === 'none' ? 'none' : `cgroup-${cgroups.kind}`,
      version: VERSION,
    },
    directory,
    openRegistration: (options) => new LeaseThread(world, { ...options, api }),
    artifacts: remoteArtifacts(world, api),
    // Loaded when the first artifact comes: what only unpacks need not stay in memory for those that never do.
    unpack: async (...archive) => await (await import('#agent/archive/unpack')).unpackArchive(...archive),
    secrets: remoteSecrets(world, api),
    options: {
      ports: instancePortsOf(home, file.index),
      path: env['PATH'] ?? '',
      api: { address: { host: LOOPBACK, port: 0 }, token: apiToken.trim() },
    },
    signal,
  }),
);
