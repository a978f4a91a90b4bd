import { PlatformError } from '#base/errors';

type Plain = Readonly<Record<string, unknown>>;

/**
 * The config with `KEY=VALUE` settings in its `env`, and wherever a service or the chosen environment sets the same variable, which would win otherwise.
 * INVALID for a setting that is none.
 */
export function withSettings(value: unknown, settings: readonly string[], environment: string | undefined): unknown {
  const variables = Object.fromEntries(settings.map(parseSetting));
  // Whatever is not an object gets its answer from the validation.
  if (settings.length === 0 || !isPlain(value)) return value;
  const { environments, ...rest } = value;
  const chosen = environment !== undefined && isPlain(environments) ? environments[environment] : undefined;
  return {
    ...overridden(rest, variables),
    env: { ...(isPlain(rest['env']) ? rest['env'] : {}), ...variables },
    ...(environments === undefined ? {} : { environments }),
    ...(environment !== undefined && isPlain(environments) && isPlain(chosen)
      ? { environments: { ...environments, [environment]: overridden(chosen, variables) } }
      : {}),
  };
}

function parseSetting(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  const key = text.slice(0, Math.max(0, at));
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) {
    throw new PlatformError('INVALID', `Cannot use "${text}" for --set, because it is not VARIABLE=value`);
  }
  return [key, text.slice(at + 1)];
}

/** Replaces the variables that `env` or a service's `env` already sets; adds none. */
function overridden(config: Plain, variables: Readonly<Record<string, string>>): Plain {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => {
      if (!isPlain(value)) return [key, value];
      if (key === 'env') return [key, replaced(value, variables)];
      return [key, isPlain(value['env']) ? { ...value, env: replaced(value['env'], variables) } : value];
    }),
  );
}

function replaced(env: Plain, variables: Readonly<Record<string, string>>): Plain {
  return Object.fromEntries(Object.entries(env).map(([key, value]) => [key, Object.hasOwn(variables, key) ? variables[key] : value]));
}

function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
