import { PlatformError } from '#base/errors';
import type { Name } from '#base/name';
import type { Instance, InstanceStatus } from '#model/instance';
import { LEADER_KEY, PREFIX } from '#model/keys';
import type { ViewWrite } from '#model/store-view';
import type { Store } from '#store/store';

/** Who asks, as the token says. `agent-api` is what control shows to an agent. */
export type Principal = { readonly kind: 'admin' } | { readonly kind: 'node' | 'gateway' | 'agent-api'; readonly name: Name };

/** DENIED if the prefix could show a sealed secret: those are opened by control only. */
export function checkRead(prefix: string): void {
  if (!prefix.startsWith(PREFIX.secrets) && !PREFIX.secrets.startsWith(prefix)) return;
  throw new PlatformError('DENIED', `Cannot read "${prefix}", because it includes secrets; ask for a narrower prefix such as "${PREFIX.apps}"`, { prefix });
}

/**
 * DENIED unless the principal may make each of the writes: a node its own agent, statuses and events, a gateway its own status and events, an
 * administrator all but secrets and leadership.
 */
export async function checkWrites(store: Pick<Store, 'get'>, principal: Principal, writes: readonly ViewWrite[]): Promise<void> {
  for (const write of writes) {
    if (!(await mayWrite(store, principal, write))) {
      throw new PlatformError('DENIED', `Cannot write "${write.key}" as ${describe(principal)}, because it belongs to another`, { key: write.key });
    }
  }
}

/** `node worker-1`, for messages. */
export function describe(principal: Principal): string {
  return principal.kind === 'admin' ? 'administrator' : `${principal.kind} ${principal.name}`;
}

async function mayWrite(store: Pick<Store, 'get'>, principal: Principal, write: ViewWrite): Promise<boolean> {
  const { key } = write;
  switch (principal.kind) {
    case 'admin':
      return !key.startsWith(PREFIX.secrets) && key !== LEADER_KEY;
    case 'gateway':
      return key === `${PREFIX.gateways}${principal.name}` || key.startsWith(`${PREFIX.events}gateway/${principal.name}/`);
    case 'node':
      if (key === `${PREFIX.agents}${principal.name}` || key.startsWith(`${PREFIX.events}node/${principal.name}/`)) return true;
      if (key.startsWith(PREFIX.statuses)) return await mayWriteStatus(store, principal.name, write);
      if (key.startsWith(`${PREFIX.events}instance/`)) return await mayWriteEvent(store, principal.name, key);
      return false;
    case 'agent-api':
      return false;
  }
}

async function mayWriteStatus(store: Pick<Store, 'get'>, node: Name, write: ViewWrite): Promise<boolean> {
  if (write.kind === 'delete') {
    const status = await read<InstanceStatus>(store, write.key);
    return status === undefined || status.node === node;
  }
  const id = write.key.slice(PREFIX.statuses.length);
  const instance = await read<Instance>(store, `${PREFIX.instances}${id}`);
  const status = parse<InstanceStatus>(write.value);
  return instance?.node === node && status?.node === node && status.id === id;
}

/** The last event of an instance may be written when the instance is gone already. */
async function mayWriteEvent(store: Pick<Store, 'get'>, node: Name, key: string): Promise<boolean> {
  const id = key.slice(`${PREFIX.events}instance/`.length).split('/')[0] ?? '';
  const instance = await read<Instance>(store, `${PREFIX.instances}${id}`);
  return instance === undefined || instance.node === node;
}

async function read<Value>(store: Pick<Store, 'get'>, key: string): Promise<Value | undefined> {
  const item = await store.get(key);
  return item && parse<Value>(item.value);
}

function parse<Value>(text: string): Value | undefined {
  try {
    return JSON.parse(text) as Value;
  } catch {
    return undefined;
  }
}
