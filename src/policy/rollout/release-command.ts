import type { Name } from '#base/name';
import type { FailureCause, Release } from '#model/app';
import type { InstanceStatus } from '#model/instance';
import type { ServiceSpec } from '#model/spec';
import { type Template, templateOf } from './template.ts';

/** What release commands are called as instances: no service can be called so, because `release` is a setting. */
export const RELEASE_SERVICE = 'release' as Name;

/**
 * What the release command is started from: it runs as if it were an instance of the first service with an install command, else of the first one,
 * in the same folder, environment and room, but it neither listens nor is it checked. `undefined`: the release has no command.
 */
export function releaseCommandTemplate(release: Release, ports: ReadonlyMap<Name, number>): Template | undefined {
  const { releaseCommand, services } = release.spec;
  const all: readonly ServiceSpec[] = Object.values(services);
  const host = all.find((service) => service.install !== undefined) ?? all[0];
  const template = host && templateOf(release, host.name, ports);
  if (releaseCommand === undefined || template === undefined) return undefined;
  const { hostPort: _port, ...spec } = template.spec;
  const { startup } = spec.checks;
  const { probe: _probe, ...unchecked } = startup;
  return {
    ...template,
    spec: {
      ...spec,
      name: RELEASE_SERVICE,
      run: { kind: 'process', command: releaseCommand.command },
      listens: false,
      count: 1,
      mode: 'balanced',
      checks: { startup: unchecked },
      routes: [],
    },
  };
}

/** What became of a release command: undefined while it is on its way. */
export function releaseCommandEnd(status: InstanceStatus | undefined): 'passed' | FailureCause | undefined {
  if (status?.phase !== 'stopped' && status?.phase !== 'failed') return undefined;
  if (status.phase === 'stopped' && status.exit?.code === 0) return 'passed';
  return releaseCommandFailure(status.reason, status);
}

/** The failure of a deploy by its release command. */
export function releaseCommandFailure(
  reason: string,
  where: { readonly id: string; readonly node: Name; readonly output?: readonly string[] },
): FailureCause & { readonly code: 'release-command' } {
  const { id, node, output } = where;
  return {
    code: 'release-command',
    message: `the release command on ${node}: ${reason}`,
    instance: id,
    node,
    ...(output === undefined ? {} : { output }),
  };
}
