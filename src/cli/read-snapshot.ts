import type { HavenClient } from '@haven/sdk';
import type { StatusSnapshot } from './status-view.ts';
import { readTraffic } from './traffic.ts';

/** Reads all that one screen of status shows; with `app` only that app and its instances. */
export async function readSnapshot(client: HavenClient, options: { readonly app?: string; readonly signal: AbortSignal }): Promise<StatusSnapshot> {
  const { app, signal } = options;
  const [status, instances] = await Promise.all([client.status({ signal }), client.instances({ ...(app === undefined ? {} : { app }), signal })]);
  const [gateway] = status.gateways;
  const traffic = gateway && (await readTraffic(gateway.adminAddress));
  return {
    status: app === undefined ? status : { ...status, apps: status.apps.filter((view) => view.name === app) },
    instances,
    ...(traffic === undefined ? {} : { traffic }),
    ...(app === undefined ? {} : { app }),
  };
}
