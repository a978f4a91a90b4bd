import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MOST_IDLE_BACKENDS, STARTERS } from './gateway-cases.ts';
import { makeCertificate } from './gateway-certificate.ts';
import { type Backends, type Peer, startNode, startOrigin } from './gateway-peers.ts';

const firstPort = 18_000;
const portStep = 10;
const firstIdlePort = 20_000;

/** The backends and the peers, running. */
export class Programs implements AsyncDisposable {
  readonly peers: readonly Peer[];
  readonly #all: readonly Peer[];
  readonly #directory: string;

  private constructor(all: readonly Peer[], peers: readonly Peer[], directory: string) {
    this.#all = all;
    this.peers = peers;
    this.#directory = directory;
  }

  static async start(names: ReadonlySet<string>): Promise<Programs> {
    const directory = await mkdtemp(join(tmpdir(), 'haven-bench-'));
    const all: Peer[] = [];
    const peers: Peer[] = [];
    try {
      const ports = [firstPort, firstPort + 1, firstPort + 2];
      const idlePorts = Array.from({ length: MOST_IDLE_BACKENDS }, (_, i) => firstIdlePort + i);
      const backends: Backends = { ports, idlePorts, echoPort: firstPort + 3, certificate: await makeCertificate(directory) };
      all.push(await startOrigin(backends), await startNode('echo', backends.echoPort, join(import.meta.dirname, 'gateway-echo.ts'), {}));
      for (const [i, [name, start]] of Object.entries(STARTERS).entries()) {
        if (!names.has(name)) continue;
        const peer = await start(firstPort + portStep * (i + 1), backends);
        all.push(peer);
        peers.push(peer);
      }
      const programs = new Programs(all, peers, directory);
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => programs.#stop(signal));
      return programs;
    } catch (error) {
      for (const peer of all) await peer.stop();
      throw error;
    }
  }

  /** A run that is broken off leaves nothing behind. */
  #stop(signal: string): void {
    process.stderr.write(`${signal}: stopping what was started\n`);
    this[Symbol.asyncDispose]().then(
      () => process.exit(1),
      () => process.exit(1),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map(async (peer) => await peer.stop()));
    await rm(this.#directory, { recursive: true, force: true });
  }
}
