import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { link, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PlatformError } from '#base/errors';
import { isName, type Name } from '#base/name';
import { readFile } from '#world/files';
import type { World } from '#world/world';
import type { Principal } from './access.ts';

const KEY_BYTES = 32;
const TOKEN = /^haven_(admin|node|gateway|agent-api)_([a-z0-9-]{1,40})_([0-9a-f]{64})$/;
/** The id in an administrator's token. */
const ADMIN_ID = 'root';
const SEALED_PREFIX = 'haven-sealed-1';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The secret from which all tokens and the key of all secrets follow. Never printed, whoever tries. */
export class ClusterKey {
  readonly #bytes: Buffer;
  readonly #keysByPurpose = new Map<string, Buffer>();

  constructor(bytes: Uint8Array) {
    if (bytes.length !== KEY_BYTES) throw new PlatformError('CORRUPT', `Cannot use a cluster key of ${bytes.length} bytes instead of ${KEY_BYTES}`);
    this.#bytes = Buffer.from(bytes);
  }

  /** A key for one purpose: knowing it tells nothing of the others (HKDF, RFC 5869). */
  derive(purpose: 'tokens' | 'secrets'): Buffer {
    const known = this.#keysByPurpose.get(purpose);
    if (known) return known;
    const derived = Buffer.from(hkdfSync('sha256', this.#bytes, 'haven', purpose, KEY_BYTES));
    this.#keysByPurpose.set(purpose, derived);
    return derived;
  }

  toJSON(): string {
    return '[redacted]';
  }
}

/** The cluster's key from its file, which is made if there is none: 32 random bytes, for the owner only. CORRUPT if it has another size. */
export async function openClusterKey(world: Pick<World, 'disk' | 'random'>, path: string): Promise<ClusterKey> {
  const existing = await readFile(world.disk, path, { maxBytes: 4_096 });
  if (existing) return new ClusterKey(existing);
  // Two processes may start at once. Linking a finished file fails for the second, so both end up with the same key, whole.
  const fresh = `${path}.${Buffer.from(world.random.bytes(8)).toString('hex')}`;
  const file = await open(fresh, 'wx', 0o600);
  try {
    await file.writeFile(world.random.bytes(KEY_BYTES));
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(fresh, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(fresh);
  }
  await world.disk.syncDirectory(dirname(path));
  const made = await readFile(world.disk, path, { maxBytes: 4_096 });
  if (made) return new ClusterKey(made);
  throw new PlatformError('UNAVAILABLE', `Cannot read the cluster key "${path}" that was just written`, { path });
}

/** The token by which a principal shows who it is: `haven_ROLE_ID_MAC`. The same for the same key, so none is stored. */
export function mintToken(key: ClusterKey, principal: Principal): string {
  const id = principal.kind === 'admin' ? ADMIN_ID : principal.name;
  return `haven_${principal.kind}_${id}_${macOf(key, principal.kind, id).toString('hex')}`;
}

/** Who the token stands for. UNAUTHENTICATED if it is none of this cluster's. */
export function verifyToken(key: ClusterKey, token: string): Principal {
  const match = TOKEN.exec(token);
  const [, kind, id, mac] = match ?? [];
  if (kind === undefined || id === undefined || mac === undefined) {
    throw new PlatformError('UNAUTHENTICATED', 'Cannot accept the token, because it is not one of Haven', { next: howToGetOne });
  }
  if (!timingSafeEqual(macOf(key, kind, id), Buffer.from(mac, 'hex'))) {
    throw new PlatformError('UNAUTHENTICATED', 'Cannot accept the stale token, because it was made with the key of another cluster or of an earlier one', {
      next: howToGetOne,
    });
  }
  if (kind === 'admin' && id === ADMIN_ID) return { kind };
  if ((kind === 'node' || kind === 'gateway' || kind === 'agent-api') && isName(id)) return { kind, name: id };
  throw new PlatformError('UNAUTHENTICATED', 'Cannot accept the token, because it names nobody', { next: howToGetOne });
}

/** Who sent a request, by its `authorization: Bearer TOKEN`. UNAUTHENTICATED without one or with a wrong one. */
export function authenticate(key: ClusterKey, headers: Readonly<Record<string, string | readonly string[] | undefined>>): Principal {
  const { authorization } = headers;
  if (typeof authorization !== 'string' || !authorization.startsWith('Bearer ')) {
    throw new PlatformError('UNAUTHENTICATED', 'Cannot answer without a token in "authorization: Bearer …"', { next: howToGetOne });
  }
  return verifyToken(key, authorization.slice('Bearer '.length).trim());
}

/** What control shows to the agent of a node for logs and commands. */
export function agentApiToken(key: ClusterKey, node: Name): string {
  return mintToken(key, { kind: 'agent-api', name: node });
}

/** The value sealed with AES-256-GCM for this name: it opens under no other. */
export function sealSecret(key: ClusterKey, secret: { readonly name: string; readonly value: string }): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key.derive('secrets'), nonce).setAAD(Buffer.from(secret.name));
  const sealed = Buffer.concat([nonce, cipher.update(secret.value, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${SEALED_PREFIX}:${sealed.toString('base64')}`;
}

/** The value again. CORRUPT if it was changed, sealed for another name or with another key. */
export function openSecret(key: ClusterKey, secret: { readonly name: string; readonly sealed: string }): string {
  try {
    const [format, text = ''] = secret.sealed.split(':');
    if (format !== SEALED_PREFIX) throw new Error('unknown format');
    const bytes = Buffer.from(text, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', key.derive('secrets'), bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(secret.name)).setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
    return decipher.update(bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
  } catch (cause) {
    throw new PlatformError(
      'CORRUPT',
      `Cannot open the secret "${secret.name}", because it was changed or sealed with another cluster's key`,
      { secret: secret.name, next: `haven secret set ${secret.name}` },
      { cause },
    );
  }
}

const howToGetOne = 'use the token in the file "token" of the cluster\'s folder ($HAVEN_HOME, by default ~/.haven); "haven up" writes it';

function macOf(key: ClusterKey, kind: string, id: string): Buffer {
  return createHmac('sha256', key.derive('tokens')).update(`haven-token-1\n${kind}\n${id}`).digest();
}
