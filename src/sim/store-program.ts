import { PlatformError } from '#base/errors';
import { isName } from '#base/name';
import type { Principal } from '#control/api/access';
import { StoreHandler } from '#control/api/store-handler';
import { localView } from '#control/local-view';
import type { Journal } from '#store/journal';
import { MemoryStore } from '#store/memory/memory-store';
import type { HistoryLimits } from '#store/mvcc';
import type { World } from '#world/world';
import { DiskJournal, readJournal, replay } from './disk-journal.ts';
import { storeServer } from './remote-store.ts';
import type { StoreHistory } from './store-history.ts';

/** Where agents, gateways and clients find the API's store. */
export const API_PORT = 7_700;
/** Where controls and operators find the store itself. */
export const STORE_PORT = 7_701;

const folder = '/store';

/** A store with its two servers, open until disposed. */
export interface ServedStore extends AsyncDisposable {
  readonly store: MemoryStore;
}

/** Opens the store of this host's disk, checks it against what was acknowledged, and serves it. */
export async function serveStore(
  world: World,
  options: { readonly host: string; readonly history: StoreHistory; readonly limits?: HistoryLimits },
): Promise<ServedStore> {
  const { history, host } = options;
  const contents = await readJournal(world, folder);
  history.onRestored(contents.records);
  const disk = new DiskJournal(world, { folder, contents, onDurable: (record) => history.onDurable(record) });
  const journal: Journal = {
    refusal: undefined,
    append: (record) => {
      history.onAppend(record);
      return disk.append(record);
    },
    close: () => disk.close(),
  };
  const state = replay(contents.records, world);
  const store = new MemoryStore(world, { state, journal, ...(options.limits ? { history: options.limits } : {}) });
  const handler = new StoreHandler(world, { store, view: localView(store), authenticate: principalOf });
  const api = await world.network.serve({ host, port: API_PORT }, (request) => handler.serveStore(request));
  const remote = await world.network.serve(
    { host, port: STORE_PORT },
    storeServer(world, store, (caller, call) => history.as(caller, call)),
  );
  return {
    store,
    [Symbol.asyncDispose]: async () => {
      await api[Symbol.asyncDispose]();
      await remote[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

/** What stands for a token here: `node:worker-1`. The rights behind it are the product's. */
export function tokenFor(kind: 'node' | 'gateway', name: string): string {
  return `${kind}:${name}`;
}

function principalOf(headers: Readonly<Record<string, string>>): Principal {
  const [, kind, name = ''] = /^Bearer (node|gateway):(.+)$/.exec(headers['authorization'] ?? '') ?? [];
  if ((kind === 'node' || kind === 'gateway') && isName(name)) return { kind, name };
  throw new PlatformError('UNAUTHENTICATED', 'Cannot tell who asks');
}
