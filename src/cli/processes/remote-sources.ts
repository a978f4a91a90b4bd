import type { ArtifactSource, SecretSource } from '#agent/sources';
import { PlatformError } from '#base/errors';
import { errorFromBody, readJsonBody } from '#control/wire-error';
import type { Address, NetworkResponse, World } from '#world/world';

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

interface Api {
  readonly address: Address;
  readonly token: string;
}

/** Artifacts from the cluster's API. */
export function remoteArtifacts(world: World, api: Api): ArtifactSource {
  return { open: async (artifact, { signal }) => (await get(world, api, { path: `/v1/artifacts/${artifact}`, signal })).body };
}

/** Secrets from the cluster's API, which gives a node those of its own instances only. */
export function remoteSecrets(world: World, api: Api): SecretSource {
  return {
    read: async (names, { instance, signal }) => {
      const response = await get(world, api, { path: `/v1/instances/${instance}/secrets`, signal });
      const { values } = (await readJsonBody(response.body, { maxBytes: MAX_ANSWER_BYTES })) as { readonly values: Readonly<Record<string, string>> };
      const missing = names.find((name) => values[name] === undefined);
      if (missing !== undefined) {
        throw new PlatformError(
          'NOT_FOUND',
          `Cannot give "${instance}" the secret "${missing}", because there is none of that name. Next: haven secret set ${missing}`,
        );
      }
      return values;
    },
  };
}

async function get(world: World, api: Api, request: { readonly path: string; readonly signal: AbortSignal }): Promise<NetworkResponse> {
  const headers = { authorization: `Bearer ${api.token}` };
  const response = await world.network.request(api.address, { method: 'GET', path: request.path, headers }, { timeoutMs: TIMEOUT_MS, signal: request.signal });
  if (response.status === 200) return response;
  throw (
    errorFromBody(await readJsonBody(response.body, { maxBytes: MAX_ANSWER_BYTES })) ??
    new PlatformError('UNAVAILABLE', `Cannot read ${request.path}, because the API answered ${response.status}`)
  );
}
