import type { ArtifactView, InstanceSecretsView, SecretView } from '@haven/sdk';
import { z } from 'zod';
import { PlatformError } from '#base/errors';
import type { Name } from '#base/name';
import type { Instance } from '#model/instance';
import { PREFIX } from '#model/keys';
import { VARIABLE_NAME } from '#model/spec-schema';
import { describe } from './access.ts';
import { readOne, readPrefix } from './cluster-state.ts';
import { type Endpoint, endpoint, json } from './endpoint.ts';
import { openSecret, sealSecret } from './tokens.ts';

const MAX_SECRET_LENGTH = 64 * 1_024;

/** As it lies in the store. */
interface SealedSecret {
  readonly sealed: string;
  readonly updatedAt: number;
}

/** Artifacts and secrets. */
export const FILE_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'PUT',
    path: '/v1/artifacts/:artifact',
    summary: 'store the packed files of an app under their digest; what is there already is not read again',
    takesBytes: true,
    answers: 'ArtifactView',
    handle: async ({ artifacts }, { parameters, bytes }) => {
      const artifact = parameters.text('artifact');
      const present = await artifacts.sizeOf(artifact);
      if (present !== undefined) return json({ artifact, sizeBytes: present, stored: false } satisfies ArtifactView);
      return json({ artifact, sizeBytes: await artifacts.put(artifact, bytes), stored: true } satisfies ArtifactView, 201);
    },
  }),
  endpoint({
    method: 'HEAD',
    path: '/v1/artifacts/:artifact',
    summary: '200 if it is here, else 404',
    answers: 'nothing',
    handle: async ({ artifacts }, { parameters }) => {
      const artifact = parameters.text('artifact');
      const sizeBytes = await artifacts.sizeOf(artifact);
      if (sizeBytes === undefined) throw new PlatformError('NOT_FOUND', `Cannot find artifact ${artifact}`);
      return json({ artifact, sizeBytes, stored: false } satisfies ArtifactView);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/artifacts/:artifact',
    summary: 'the bytes of an artifact',
    roles: ['admin', 'node'],
    answers: 'bytes',
    handle: async ({ artifacts }, { parameters }) => ({ kind: 'bytes', ...(await artifacts.read(parameters.text('artifact'))) }),
  }),
  endpoint({
    method: 'GET',
    path: '/v1/secrets',
    summary: 'names of all secrets; values are never shown',
    answers: 'SecretView[]',
    handle: async ({ store }) => {
      const secrets = await readPrefix<SealedSecret>(store, PREFIX.secrets);
      return json(secrets.map(({ key, value }) => ({ name: key.slice(PREFIX.secrets.length), updatedAt: value.updatedAt }) satisfies SecretView));
    },
  }),
  endpoint({
    method: 'PUT',
    path: '/v1/secrets/:secret',
    summary: 'set a secret; instances get it at their next start',
    body: z.strictObject({ value: z.string().min(1).max(MAX_SECRET_LENGTH) }),
    answers: 'SecretView',
    handle: async ({ store, world, key }, { parameters, body }) => {
      const name = secretName(parameters.text('secret'));
      const updatedAt = world.clock.wall();
      const secret: SealedSecret = { sealed: sealSecret(key, { name, value: body.value }), updatedAt };
      await store.transact({ compare: [], then: [{ kind: 'put', key: `${PREFIX.secrets}${name}`, value: JSON.stringify(secret) }] });
      return json({ name, updatedAt } satisfies SecretView);
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/v1/secrets/:secret',
    summary: 'forget a secret; instances that run keep what they were given',
    answers: 'SecretView',
    handle: async ({ store, world }, { parameters }) => {
      const name = secretName(parameters.text('secret'));
      const key = `${PREFIX.secrets}${name}`;
      if (!(await store.get(key))) throw new PlatformError('NOT_FOUND', `Cannot delete the secret ${name}, because there is none`, { next: 'haven secret ls' });
      await store.transact({ compare: [], then: [{ kind: 'delete', range: { key } }] });
      return json({ name, updatedAt: world.clock.wall() } satisfies SecretView);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/instances/:id/secrets',
    summary: 'values of the secrets an instance is given, for the node it is placed on',
    roles: ['node'],
    answers: 'InstanceSecretsView',
    handle: async ({ store, key }, { principal, parameters }) => {
      const id = parameters.instance();
      const instance = await readOne<Instance>(store, `${PREFIX.instances}${id}`);
      // Whether there is such an instance elsewhere is not this node's business.
      if (principal.kind !== 'node' || instance?.value.node !== principal.name) {
        throw new PlatformError('DENIED', `Cannot show the secrets of ${id} to ${describe(principal)}, because it is not placed there`);
      }
      const values: Record<string, string> = {};
      for (const name of instance.value.secrets) {
        const secret = await readOne<SealedSecret>(store, `${PREFIX.secrets}${name}`);
        if (!secret) throw new PlatformError('NOT_FOUND', `Cannot find the secret ${name}`, { secret: name, next: `haven secret set ${name}` });
        values[name] = openSecret(key, { name, sealed: secret.value.sealed });
      }
      return json({ values } satisfies InstanceSecretsView);
    },
  }),
];

function secretName(text: string): Name {
  // A secret is called like the environment variable it becomes.
  if (VARIABLE_NAME.test(text)) return text as Name;
  throw new PlatformError(
    'INVALID',
    `Cannot use "${text.slice(0, 80)}" as a secret, because a secret is called like an environment variable: letters, digits and "_"`,
  );
}
