import { dirname } from 'node:path';
import { lookAtFolder } from '#gateway/standalone/kept-folders';
import { authorityFolderOf, type StandaloneConfig } from '#gateway/standalone/resolve-config';
import { authorityWarnings, certificatePathIn, readAuthority } from '#gateway/tls/authority-folder';
import type { UnixMs } from '#world/world';

/** What is to be said of a gateway's own authority without starting the gateway. */
export interface AuthorityView {
  /** For programs. */
  readonly facts: { readonly certificate: string; readonly names: readonly string[]; readonly validTo?: string; readonly fingerprint?: string };
  /** For people. */
  readonly text: string;
  /** Sentences without a full stop. */
  readonly warnings: readonly string[];
}

const shownNames = 5;

/** `undefined` if no listener has `tls: internal`. INVALID if the authority that is there cannot be used, or none can be made. */
export async function authorityOf(
  config: StandaloneConfig,
  { state, now }: { readonly state: string; readonly now: UnixMs },
): Promise<AuthorityView | undefined> {
  const internal = config.listeners.flatMap(({ tls }) => tls?.internal ?? []);
  if (internal.length === 0) return undefined;
  const folder = authorityFolderOf(config, state);
  const authority = await readAuthority(folder, now);
  const certificate = certificatePathIn(folder);
  const names = [...new Set(internal.flatMap(({ names, isForAddress }) => [...names, ...(isForAddress ? ['localhost'] : [])]))];
  const shown = names.length > shownNames ? `${names.slice(0, shownNames).join(', ')} and ${names.length - shownNames} more` : names.join(', ');
  const sentence = `Certificates for ${shown} come from the gateway's own authority, which clients have to trust: ${certificate}`;
  if (authority === undefined) {
    const unwritable = await lookAtFolder({ path: dirname(folder), key: 'tls: internal', next: 'name a folder that can be written with "state" in the file' });
    return { facts: { certificate, names }, text: `${sentence} (made when it first runs)`, warnings: unwritable === undefined ? [] : [unwritable] };
  }
  const validTo = new Date(authority.validTo).toISOString();
  return {
    facts: { certificate, names, validTo, fingerprint: authority.fingerprint },
    text: `${sentence} (valid until ${validTo.slice(0, 10)}, SHA-256 ${authority.fingerprint})`,
    warnings: authorityWarnings(authority, now),
  };
}
