import { resolveApp } from '#model/resolve-spec';
import { balanceIssuesOf } from '#policy/balance/spec-balance';
import type { CommandInput } from '../command.ts';
import { listOption, textOption } from '../options.ts';
import { invalidConfig } from './issues.ts';
import { type LoadedConfig, loadConfig } from './load-config.ts';
import { withSettings } from './settings.ts';

/** A config that this client finds nothing wrong with. */
export interface PreparedConfig {
  readonly loaded: LoadedConfig;
  /** With the settings of `--set`. */
  readonly value: unknown;
  readonly app: string;
  readonly environment?: string;
  readonly warnings: readonly string[];
}

/** Reads and checks the config that `plan` and `deploy` were given, here unless they were. INVALID names every mistake with its line. */
export async function prepareConfig({ args, options }: CommandInput): Promise<PreparedConfig> {
  const loaded = await loadConfig(args[0] ?? '.');
  const environment = textOption(options, 'env');
  const value = withSettings(loaded.value, listOption(options, 'set'), environment);
  // The cluster checks again; asking here first spares an upload and works without a cluster.
  const resolved = resolveApp(value, environment === undefined ? {} : { environment });
  if (!resolved.ok) throw invalidConfig(loaded, resolved.issues);
  const issues = balanceIssuesOf(resolved.spec);
  if (issues.length > 0) throw invalidConfig(loaded, issues);
  return { loaded, value, app: resolved.spec.name, ...(environment === undefined ? {} : { environment }), warnings: resolved.warnings };
}
