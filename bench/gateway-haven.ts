import { readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processTree } from './gateway-machine.ts';
import { type Backends, type Peer, startProgram } from './gateway-peers.ts';

/** How a gateway under test differs from the plain one. */
export interface HavenVariant {
  readonly workers?: number;
  /** Services beside those that get requests, each with a route and a backend of its own. */
  readonly moreServices?: number;
  /** Each connection is carried by itself, as where there is no io_uring. */
  readonly byStreams?: true;
}

/** New backends are asked twice as often, for ten seconds. */
const youngMs = 12_000;
const launcher = join(import.meta.dirname, '../bin/haven.js');

/** The stand-alone gateway as its users start it: metrics on, access log off, active checks on, one worker. */
export async function startHaven(name: string, port: number, backends: Backends, variant: HavenVariant = {}): Promise<Peer> {
  const directory = await mkdtemp(join(tmpdir(), 'haven-bench-'));
  const file = join(directory, 'gateway.json');
  await writeFile(file, JSON.stringify(configOf(port, backends, variant), undefined, 2));
  const started = await startProgram({
    name,
    port,
    tlsPort: port + 1,
    command: [process.execPath, launcher, 'gateway', 'run', file],
    directory,
    environment: variant.byStreams ? { HAVEN_GATEWAY_RING: 'off' } : {},
    workersOf: (pid) => processTree(pid).filter((each) => readFileSync(`/proc/${each}/cmdline`, 'latin1').includes('worker.main')),
  });
  if (variant.moreServices !== undefined) await sleep(youngMs);
  return started;
}

function configOf(port: number, { ports, idlePorts, echoPort, certificate }: Backends, { workers = 1, moreServices = 0 }: HavenVariant): object {
  const origin = `127.0.0.1:${ports[0]}`;
  const more = Array.from({ length: moreServices }, (_, i) => `more-${i}`);
  return {
    listen: [`127.0.0.1:${port}`, { address: `127.0.0.1:${port + 1}`, tls: { certificates: [{ cert: certificate, key: certificate }] } }],
    admin: `127.0.0.1:${port + 2}`,
    workers,
    routes: [
      { service: 'web' },
      { path: '/three', service: 'three' },
      { path: '/piped', service: 'piped' },
      { path: '/echo', service: 'echo' },
      ...more.map((service, i) => ({ host: `h${i}.example.com`, path: `/p${i}`, service })),
    ],
    services: {
      web: { backends: [origin] },
      three: { backends: ports.map((each) => `127.0.0.1:${each}`) },
      piped: { backends: [origin], pipeline: true },
      echo: { backends: [`127.0.0.1:${echoPort}`] },
      ...Object.fromEntries(more.map((service, i) => [service, { backends: [`127.0.0.1:${idlePorts[i]}`] }])),
    },
  };
}
