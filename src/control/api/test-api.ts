import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryStore } from '#store/memory/memory-store';
import type { NetworkServer, World } from '#world/world';
import { localView } from '../local-view.ts';
import { startApi } from './server.ts';
import { TestClient } from './test-client.ts';
import { type ClusterKey, openClusterKey } from './tokens.ts';

/** The API over an empty store, in a folder of its own, for tests. */
export class TestApi implements AsyncDisposable {
  readonly store: MemoryStore;
  readonly directory: string;
  readonly server: NetworkServer;
  readonly key: ClusterKey;
  readonly client: TestClient;

  private constructor(parts: { readonly store: MemoryStore; readonly directory: string; readonly server: NetworkServer; readonly key: ClusterKey }) {
    this.store = parts.store;
    this.directory = parts.directory;
    this.server = parts.server;
    this.key = parts.key;
    this.client = new TestClient(parts.server.address, parts.key);
  }

  static async start(world: World): Promise<TestApi> {
    const store = new MemoryStore(world);
    const directory = await mkdtemp(join(tmpdir(), 'haven-api-'));
    const address = { host: '127.0.0.1', port: 0 };
    const { signal } = new AbortController();
    const server = await startApi({ world, store, view: localView(store), directory, address, options: { version: '0.0.1' }, signal });
    return new TestApi({ store, directory, server, key: await openClusterKey(world, join(directory, 'cluster.key')) });
  }

  async put(key: string, value: unknown): Promise<void> {
    await this.store.transact({ compare: [], then: [{ kind: 'put', key, value: JSON.stringify(value) }] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await this.store[Symbol.asyncDispose]();
    await rm(this.directory, { recursive: true });
  }
}
