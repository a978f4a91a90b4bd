import { dirname } from 'node:path';
import { PlatformError } from '#base/errors';
import { formatAddress } from '#base/host-port';
import { isLoopback, overlap, parseAddress } from '#gateway/standalone/config-values';
import { DEFAULT_ADMIN, resolveGatewayConfig, type StandaloneConfig } from '#gateway/standalone/resolve-config';
import type { Address } from '#world/world';
import type { CommandOptions } from '../command.ts';
import { explained, invalidConfig } from '../config/issues.ts';
import { type ConfigKind, type LoadedConfig, loadConfig } from '../config/load-config.ts';
import { textOption, wholeOption } from '../options.ts';

const MAX_WORKERS = 64;

const KIND: ConfigKind = { name: 'gateway', example: 'export default { listen: …, routes: …, services: … }' };

/** A gateway's file (YAML, JSON, or code with a default export), which is read more than once. */
export class GatewayFile {
  readonly #path: string;
  readonly #secret: string;
  #loaded: LoadedConfig | undefined;

  constructor(path: string, options: { readonly secret: string }) {
    this.#path = path;
    this.#secret = options.secret;
  }

  /** Reads and checks it. INVALID names every mistake with its line. */
  async load(): Promise<StandaloneConfig> {
    const loaded = await loadConfig(this.#path, KIND);
    this.#loaded = loaded;
    const resolved = resolveGatewayConfig(loaded.value, { secret: this.#secret, folder: dirname(loaded.path) });
    if (!resolved.ok) throw invalidConfig(loaded, resolved.issues);
    return resolved.config;
  }

  /** An error about what it said when it was last read, with lines instead of paths; any other as it is. */
  explained(error: unknown): unknown {
    return this.#loaded === undefined ? error : explained(this.#loaded, error);
  }
}

/** The config with `--workers` and `--admin` in the place of what the file says. */
export function withFlags(config: StandaloneConfig, options: CommandOptions): StandaloneConfig {
  const workers = wholeOption(options, 'workers', 1);
  if (workers !== undefined && workers > MAX_WORKERS)
    throw new PlatformError('INVALID', `Cannot use "${workers}" for --workers, because it is more than ${MAX_WORKERS}`);
  const admin = textOption(options, 'admin') === undefined ? config.admin : adminOf(options);
  const listener = config.listeners.find(({ address }) => overlap(address, admin));
  if (listener !== undefined)
    throw new PlatformError(
      'INVALID',
      `Cannot have the admin address at ${formatAddress(admin)}, because clients are to come to ${formatAddress(listener.address)}`,
      {
        next: 'give it another one with "admin" in the file, or with --admin',
      },
    );
  return { ...config, ...(workers === undefined ? {} : { workers }), admin };
}

/** The admin address of `--admin`, or the usual one. INVALID if it is no loopback address. */
export function adminOf(options: CommandOptions): Address {
  const text = textOption(options, 'admin');
  if (text === undefined) return DEFAULT_ADMIN;
  const address = parseAddress(text);
  if (typeof address === 'string') throw new PlatformError('INVALID', `Cannot use "${text}" for --admin: it ${address}`);
  if (!isLoopback(text))
    throw new PlatformError('INVALID', `Cannot use "${text}" for --admin, because it must be a loopback address: who reaches it can read and reload`);
  return address;
}
