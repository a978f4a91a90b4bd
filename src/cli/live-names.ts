import { connect } from './client.ts';
import type { CompletionKind } from './command.ts';
import type { Home } from './home.ts';

/** Names of what exists in the cluster now, for completion. Rejects if the cluster does not answer before the signal aborts. */
export async function liveNames(home: Home, { kind, signal }: { readonly kind: CompletionKind; readonly signal: AbortSignal }): Promise<readonly string[]> {
  const client = await connect(home);
  if (kind === 'secret') return (await client.secrets({ signal })).map(({ name }) => name);
  const wantsInstances = kind === 'instance' || kind === 'target' || kind === 'targetOrNode';
  const [status, instances] = await Promise.all([client.status({ signal }), wantsInstances ? client.instances({ signal }) : []]);
  const names = {
    app: status.apps.map(({ name }) => name),
    service: status.apps.flatMap(({ services }) => services.map(({ app, service }) => `${app}/${service}`)),
    instance: instances.map(({ app, name }) => `${app}/${name}`),
    node: status.nodes.map(({ name }) => name),
    pool: status.pools.map(({ name }) => name),
  };
  const targets = [...names.app, ...names.service, ...names.instance];
  if (kind === 'target') return targets;
  if (kind === 'targetOrNode') return [...targets, ...names.node];
  return names[kind];
}
