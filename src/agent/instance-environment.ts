import type { Instance } from '#model/instance';
import { instanceName } from '#model/instance';

interface EnvironmentParts {
  readonly host: string;
  readonly port: number | undefined;
  readonly dataFolder: string;
  /** The agent's own. */
  readonly path: string;
  readonly secrets: Readonly<Record<string, string>>;
}

/** The whole environment of an instance's process; nothing of the agent's own but PATH. What Haven sets wins over what the app sets, secrets over plain values. */
export function instanceEnvironment(instance: Instance, parts: EnvironmentParts): Readonly<Record<string, string>> {
  const { app, service, release, node } = instance;
  return {
    PATH: parts.path,
    ...instance.environment,
    ...parts.secrets,
    HAVEN_APP: app,
    HAVEN_SERVICE: service,
    HAVEN_INSTANCE: instanceName(instance),
    HAVEN_RELEASE: String(release),
    HAVEN_NODE: node,
    HAVEN_DATA: parts.dataFolder,
    HOST: parts.host,
    ...(parts.port === undefined ? {} : { PORT: String(parts.port) }),
  };
}
