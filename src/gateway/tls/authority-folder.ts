import { createPrivateKey, randomBytes, type X509Certificate } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { messageOf, PlatformError } from '#base/errors';
import type { UnixMs } from '#world/world';
import type { Issued } from './issuing.ts';
import { certificatesIn } from './read-certificate.ts';

/** An authority as it is kept: who trusts its certificate trusts all that it issues. The key leaves the process that signs for nothing but its file. */
export interface Authority extends Issued {
  /** Where its certificate is, for those who have to trust it. */
  readonly certificatePath: string;
  /** SHA-256, as browsers and `openssl x509 -fingerprint` show it. */
  readonly fingerprint: string;
  readonly validTo: UnixMs;
}

const CERTIFICATE = 'authority.crt';
const KEY = 'authority.key';
const yearMs = 365 * 86_400_000;
const authorityYears = 10;
/** To have clients trust another one takes long. */
const warnedMs = yearMs;
/** For clients whose clocks are a little behind. */
const backdatedMs = 3_600_000;
const nameBytes = 4;
const asideBytes = 8;
const othersAccess = 0o077;
const curve = 'prime256v1';

const RESTORE = 'restore the folder from a backup, or move it away to begin with a new authority, which clients then have to trust anew';

const ELSEWHERE = 'name a folder that can be written with "state" in the file';

/** Where the certificate of the authority in this folder is, or will be. */
export function certificatePathIn(folder: string): string {
  return join(folder, CERTIFICATE);
}

/** What is wrong with an authority that can be used nevertheless, in sentences without a full stop. */
export function authorityWarnings({ validTo, certificatePath }: Authority, now: UnixMs): readonly string[] {
  if (validTo - now > warnedMs) return [];
  const ends = new Date(validTo).toISOString();
  return [`the gateway's own authority expires on ${ends}: move "${dirname(certificatePath)}" away and start again for a new one, which clients have to trust`];
}

/** The authority in the folder; `undefined` if nothing of one is there. INVALID if what is there cannot be used, with what to do. */
export async function readAuthority(folder: string, now: UnixMs): Promise<Authority | undefined> {
  // The folder appears with both files in it, and is looked at once: of two looks, one for each file, it could appear in between.
  const there = await namesIn(folder);
  if (!there.has(CERTIFICATE) && !there.has(KEY)) return undefined;
  for (const [missing, other] of [[CERTIFICATE, KEY] as const, [KEY, CERTIFICATE] as const])
    if (!there.has(missing)) throw unusable(folder, `"${missing}" is missing beside "${other}"`);
  const [certificate, key] = await Promise.all([readIn(folder, CERTIFICATE), readIn(folder, KEY)]);
  const others = (await stat(join(folder, KEY))).mode & othersAccess;
  if (others !== 0) throw unusable(folder, `others than its owner may open "${KEY}"`, `chmod 600 ${join(folder, KEY)}, unless somebody may have read it`);
  const leaf = authorityIn(folder, certificate);
  const pkcs8 = keyIn(folder, key, leaf);
  const validFrom = leaf.validFromDate.getTime();
  const validTo = leaf.validToDate.getTime() as UnixMs;
  if (validFrom > now)
    throw unusable(folder, `it is not valid before ${new Date(validFrom).toISOString()}, and it is ${new Date(now).toISOString()} here`, 'set the clock');
  if (validTo <= now)
    throw unusable(
      folder,
      `it expired on ${new Date(validTo).toISOString()}`,
      'move the folder away to begin with a new authority, which clients then have to trust',
    );
  return { chain: leaf.toString(), key: pkcs8, certificatePath: join(folder, CERTIFICATE), fingerprint: leaf.fingerprint256, validTo };
}

/**
 * The authority in the folder, made if there is none: whoever comes first makes it, and all who come at the same time get that one, because both files appear at once.
 * INVALID as above, or if the folder cannot be made.
 */
export async function openAuthority(folder: string, now: UnixMs): Promise<Authority & { readonly isNew: boolean }> {
  const known = await readAuthority(folder, now);
  if (known !== undefined) return { ...known, isNew: false };
  const isNew = await make(folder, now);
  const published = await readAuthority(folder, now);
  if (published === undefined)
    throw unusable(folder, `it holds other files and neither "${CERTIFICATE}" nor "${KEY}"`, 'move them away, or choose another folder');
  return { ...published, isNew };
}

/** False if another one is there now. */
async function make(folder: string, now: UnixMs): Promise<boolean> {
  // Only who issues needs the library, which takes a while to load.
  const { makeAuthority } = await import('./issuing.ts');
  const name = `Haven authority of ${hostname()} ${randomBytes(nameBytes).toString('hex')}`;
  const validity = { from: (now - backdatedMs) as UnixMs, to: (now + authorityYears * yearMs) as UnixMs };
  const made = await makeAuthority(name, validity);
  const aside = `${folder}.${randomBytes(asideBytes).toString('hex')}.new`;
  try {
    await mkdir(dirname(folder), { recursive: true, mode: 0o700 });
    await mkdir(aside, { mode: 0o700 });
    await writeDurably(join(aside, KEY), made.key);
    await writeDurably(join(aside, CERTIFICATE), made.chain);
    await syncFolder(aside);
    // A folder takes the place of no other one that holds something (rename(2)): of those who begin at once, the first wins.
    await rename(aside, folder);
    await syncFolder(dirname(folder));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw new PlatformError('INVALID', `Cannot make an authority for "tls: internal" in "${folder}", because ${messageOf(error)}`, {
      folder,
      next: ELSEWHERE,
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

function authorityIn(folder: string, pem: string): X509Certificate {
  const [leaf, ...others] = readable(folder, pem);
  if (leaf === undefined) throw unusable(folder, `"${CERTIFICATE}" holds no certificate in PEM`);
  if (others.length > 0) throw unusable(folder, `"${CERTIFICATE}" holds ${others.length + 1} certificates instead of one`);
  if (!leaf.ca) throw unusable(folder, `the certificate in "${CERTIFICATE}" is not that of an authority`);
  return leaf;
}

function readable(folder: string, pem: string): readonly X509Certificate[] {
  try {
    return certificatesIn(pem);
  } catch {
    throw unusable(folder, `"${CERTIFICATE}" is damaged`);
  }
}

/** In PKCS #8. */
function keyIn(folder: string, pem: string, leaf: X509Certificate): string {
  let key: ReturnType<typeof createPrivateKey>;
  try {
    key = createPrivateKey(pem);
  } catch {
    // What OpenSSL says of a key could show some of it.
    throw unusable(folder, `"${KEY}" is damaged: it is no unencrypted private key in PEM`);
  }
  if (!leaf.checkPrivateKey(key)) throw unusable(folder, `"${KEY}" is not the key of the certificate in "${CERTIFICATE}"`);
  if (key.asymmetricKeyDetails?.namedCurve !== curve) throw unusable(folder, `"${KEY}" is not a key of ECDSA on P-256`);
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function unusable(folder: string, why: string, next = RESTORE): PlatformError {
  return new PlatformError('INVALID', `Cannot use the authority of "tls: internal" in "${folder}", because ${why}`, { folder, next });
}

async function namesIn(folder: string): Promise<ReadonlySet<string>> {
  try {
    return new Set(await readdir(folder));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return new Set();
    const next = code === 'ENOTDIR' ? ELSEWHERE : 'see who may read it: only the user that the gateway runs as should';
    throw unusable(folder, `it cannot be read: ${messageOf(error)}`, next);
  }
}

async function readIn(folder: string, name: string): Promise<string> {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (error) {
    throw unusable(folder, `"${name}" cannot be read: ${messageOf(error)}`, 'see who may read it: only the user that the gateway runs as should');
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(text);
  await file.sync();
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}
