import type { ChangeView, DeployView, ReleaseView } from '@haven/sdk';
import { z } from 'zod';
import { PlatformError } from '#base/errors';
import type { Name } from '#base/name';
import type { Release } from '#model/app';
import { keyOf } from '#model/keys';
import { resolveApp } from '#model/resolve-spec';
import type { AppSpec } from '#model/spec';
import { MAX_COUNT } from '#model/spec-schema';
import { balanceIssuesOf } from '#policy/balance/spec-balance';
import { deploy, existing, remove, restart, restartInPlace, rollback, scale, switchActive } from './app-changes.ts';
import { execute, followLines, lastLines, type OutputParts } from './app-output.ts';
import { readPrefix, readState } from './cluster-state.ts';
import { type ApiParts, type Endpoint, endpoint, json } from './endpoint.ts';
import { followDeploy } from './follow.ts';
import { planView } from './plan.ts';
import { recordEvent } from './record-event.ts';
import { checkRoutes } from './route-claims.ts';
import { agentApiToken } from './tokens.ts';
import { appView, instanceViews, releaseView } from './views.ts';

const artifact = z.string().regex(/^sha256-[0-9a-f]{64}$/, 'must be "sha256-" and 64 hexadecimal digits');
const planBody = z.strictObject({ config: z.unknown(), environment: z.string().max(40).optional(), artifact: artifact.optional() });
const deployBody = planBody.extend({ ifRevision: z.int().min(0).optional() });
const slot = z.int().min(1).max(MAX_COUNT);
const logQuery = z.object({
  service: z.string().max(40).optional(),
  slot: z.coerce.number().pipe(slot).optional(),
  id: z.string().max(120).optional(),
  tail: z.coerce.number().int().min(0).max(10_000).default(100),
  follow: z.literal('1').optional(),
});

/** Everything below /v1/apps and /v1/instances. */
export const APP_ENDPOINTS: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/v1/apps',
    summary: 'all apps with their services',
    answers: 'AppView[]',
    handle: async (parts) => {
      const state = await readState(parts);
      return json(state.apps.map((app) => appView(state, app)));
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/apps/:app',
    summary: 'one app with its services',
    answers: 'AppView',
    handle: async (parts, { parameters }) => {
      const { key } = await existing(parts.store, parameters.name('app'));
      const state = await readState(parts);
      const app = state.apps.find((candidate) => candidate.key === key);
      if (!app) throw new PlatformError('NOT_FOUND', `Cannot find app "${parameters.name('app')}"`, { next: 'haven status' });
      return json(appView(state, app));
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/v1/apps/:app',
    summary: 'stop all of an app, then delete it',
    answers: 'ChangeView',
    handle: async (parts, { parameters }) => {
      const app = parameters.name('app');
      const changed = await remove(parts.store, app);
      if (changed.changed) await tell(parts, app, { kind: 'removing', message: 'Removal was asked for' });
      return json({ app, ...changed } satisfies ChangeView);
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/apps/:app/plan',
    summary: 'what a deploy of this config would change, without changing anything',
    body: planBody,
    answers: 'PlanView',
    handle: async (parts, { parameters, body }) => {
      const { spec, warnings } = specOf(parameters.name('app'), body);
      await checkRoutes(parts.store, spec);
      return json(await planView(parts, { spec, warnings, ...(body.artifact === undefined ? {} : { artifact: body.artifact }) }));
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/apps/:app/deploy',
    summary: 'make this config the wanted release; the same as what runs changes nothing',
    body: deployBody,
    answers: 'DeployView',
    handle: async (parts, { parameters, body }) => {
      const app = parameters.name('app');
      const { spec, warnings } = specOf(app, body);
      await checkParts(parts, { spec, artifact: body.artifact });
      await checkRoutes(parts.store, spec);
      const { ifRevision } = body;
      const deployed = await deploy(parts.store, app, {
        spec,
        ...(body.artifact === undefined ? {} : { artifact: body.artifact }),
        ...(ifRevision === undefined ? {} : { ifRevision }),
        now: parts.world.clock.wall(),
      });
      if (deployed.changed) await tell(parts, app, { kind: 'deployed', message: `Release ${deployed.release} was deployed` });
      return json({ app, ...deployed, warnings } satisfies DeployView, deployed.changed ? 201 : 200);
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/apps/:app/rollback',
    summary: 'deploy an earlier release again',
    body: z.strictObject({ to: z.int().min(1).optional() }),
    answers: 'DeployView',
    handle: async (parts, { parameters, body }) => {
      const app = parameters.name('app');
      const deployed = await rollback(parts.store, app, { ...(body.to === undefined ? {} : { to: body.to }), now: parts.world.clock.wall() });
      if (deployed.changed) await tell(parts, app, { kind: 'rolled-back', message: `Release ${deployed.release} repeats an earlier one` });
      return json({ app, ...deployed, warnings: [] } satisfies DeployView, deployed.changed ? 201 : 200);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/apps/:app/releases',
    summary: 'releases of an app, newest first',
    answers: 'ReleaseView[]',
    handle: async ({ store }, { parameters }) => {
      const app = await existing(store, parameters.name('app'));
      const releases = await readPrefix<Release>(store, keyOf.releasesOf(app.value.name));
      return json(releases.map(({ value }) => releaseView(value, app.value.release)).reverse() satisfies ReleaseView[]);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/apps/:app/deploys/:release/follow',
    summary: 'what happens until the deploy of a release is over; the last line is its result',
    answers: 'DeployEvent (NDJSON)',
    handle: async ({ world, store, view }, { parameters, signal }) => {
      return {
        kind: 'lines',
        lines: await followDeploy({ world, store, view }, { app: parameters.name('app'), release: parameters.number('release'), signal }),
      };
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/apps/:app/services/:service/scale',
    summary: 'change how many instances a service has',
    body: z.strictObject({ count: z.int().min(0).max(MAX_COUNT) }),
    answers: 'ChangeView',
    handle: async (parts, { parameters, body }) => {
      const app = parameters.name('app');
      const service = parameters.name('service');
      const changed = await scale(parts.store, app, { service, count: body.count });
      if (changed.changed) await tell(parts, app, { kind: 'scaled', message: `Service ${service} was scaled to ${body.count}` });
      return json({ app, ...changed } satisfies ChangeView);
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/apps/:app/services/:service/switch',
    summary: 'make a standby of an active/standby service the active one',
    body: z.strictObject({ slot: slot.optional() }),
    answers: 'ChangeView',
    handle: async (parts, { parameters, body }) => {
      const app = parameters.name('app');
      const service = parameters.name('service');
      const state = await readState(parts);
      const active = state.services.find(({ value }) => value.app === app && value.service === service)?.value.activeSlot;
      const instances = instanceViews(state, { app, service });
      const standbys = instances.filter((instance) => instance.tier === 'backup' && (instance.state === 'healthy' || instance.state === 'running'));
      const changed = await switchActive(parts.store, app, {
        service,
        standbys: standbys.map((instance) => instance.slot),
        ...(active === undefined ? {} : { active }),
        ...(body.slot === undefined ? {} : { slot: body.slot }),
      });
      if (changed.changed) await tell(parts, app, { kind: 'switched', message: `Another instance of ${service} becomes the active one` });
      return json({ app, ...changed } satisfies ChangeView);
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/apps/:app/services/:service/restart',
    summary: 'replace the instances of a service one after the other, or that of one slot; in place: all at once, where they are',
    body: z.strictObject({ slot: slot.optional(), inPlace: z.boolean().optional() }),
    answers: 'ChangeView',
    handle: async (parts, { parameters, body }) => {
      const app = parameters.name('app');
      const service = parameters.name('service');
      const change = body.inPlace ? restartInPlace : restart;
      const changed = await change(parts.store, app, { service, ...(body.slot === undefined ? {} : { slot: body.slot }) });
      await tell(parts, app, { kind: 'restarted', message: `Restart of ${service}${body.slot === undefined ? '' : `.${body.slot}`} was asked for` });
      return json({ app, ...changed } satisfies ChangeView);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/apps/:app/logs',
    summary: 'output of all instances of an app, across restarts',
    query: logQuery,
    answers: 'LogLine (NDJSON)',
    handle: async (parts, { parameters, query, signal }) => {
      const { value } = await existing(parts.store, parameters.name('app'));
      const { service, slot: wanted, id, tail, follow } = query;
      const meant = { ...(service === undefined ? {} : { service }), ...(wanted === undefined ? {} : { slot: wanted }), ...(id === undefined ? {} : { id }) };
      const options = { app: value.name, ...meant, tail, signal };
      return { kind: 'lines', lines: follow ? followLines(outputParts(parts), options) : lastLines(outputParts(parts), options) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/instances',
    summary: 'all instances, or those of one app',
    query: z.object({ app: z.string().max(40).optional() }),
    answers: 'InstanceView[]',
    handle: async (parts, { query }) => json(instanceViews(await readState(parts), query.app === undefined ? {} : { app: query.app })),
  }),
  endpoint({
    method: 'POST',
    path: '/v1/instances/:id/exec',
    summary: "run a command in an instance's folder and environment",
    body: z.strictObject({ command: z.array(z.string()).min(1).max(256), timeoutMs: z.int().min(1).max(3_600_000).optional() }),
    answers: 'ExecLine (NDJSON)',
    handle: async (parts, { parameters, body, signal }) => {
      const { command, timeoutMs } = body;
      const options = { id: parameters.instance(), command, ...(timeoutMs === undefined ? {} : { timeoutMs }), signal };
      return { kind: 'lines', lines: await execute(outputParts(parts), options) };
    },
  }),
];

/** The spec of what was sent. INVALID with `details.issues` for a config that cannot be deployed. */
function specOf(
  app: Name,
  sent: { readonly config?: unknown; readonly environment?: string | undefined },
): { readonly spec: AppSpec; readonly warnings: readonly string[] } {
  const resolved = resolveApp(sent.config, sent.environment === undefined ? {} : { environment: sent.environment });
  const issues = resolved.ok ? balanceIssuesOf(resolved.spec) : resolved.issues;
  if (!resolved.ok || issues.length > 0) {
    const [first, ...others] = issues;
    const what = first ? `${first.path.join('.') || 'it'} ${first.message}` : 'it is not valid';
    const more = others.length > 0 ? ` (and ${others.length} more)` : '';
    throw new PlatformError('INVALID', `Cannot use the config, because ${what}${more}`, { issues, next: 'haven plan' });
  }
  if (resolved.spec.name !== app) {
    throw new PlatformError('INVALID', `Cannot deploy the config of "${resolved.spec.name}" as app "${app}"`, {
      issues: [{ path: ['name'], message: `must be "${app}"` }],
    });
  }
  return resolved;
}

/** What a deploy needs must be there before anything changes: the files and the secrets. */
async function checkParts({ artifacts, store }: ApiParts, wanted: { readonly spec: AppSpec; readonly artifact: string | undefined }): Promise<void> {
  const { spec, artifact: files } = wanted;
  if (files !== undefined && (await artifacts.sizeOf(files)) === undefined) {
    throw new PlatformError('NOT_FOUND', `Cannot deploy ${spec.name}, because its files ${files} have not been uploaded`, {
      artifact: files,
      next: `PUT /v1/artifacts/${files}`,
    });
  }
  for (const [index, secret] of spec.secrets.entries()) {
    if (await store.get(keyOf.secret(secret as Name))) continue;
    throw new PlatformError('INVALID', `Cannot deploy ${spec.name}, because the secret ${secret} is not set`, {
      issues: [{ path: ['secrets', String(index)], message: 'is not set in this cluster' }],
      next: `haven secret set ${secret}`,
    });
  }
}

function outputParts({ world, store, view, key }: ApiParts): OutputParts {
  return { world, store, view, tokenOf: (node) => agentApiToken(key, node) };
}

async function tell({ world, store }: ApiParts, app: Name, event: { readonly kind: string; readonly message: string }): Promise<void> {
  await recordEvent(world, store, { object: `app/${app}`, level: 'info', ...event });
}
