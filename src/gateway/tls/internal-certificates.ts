import type { UnixMs, World } from '#world/world';
import { type Authority, authorityWarnings, openAuthority } from './authority-folder.ts';
import { readCertificate } from './read-certificate.ts';
import { planRenewals } from './renewal-plan.ts';
import type { ServedCertificate } from './tls-settings.ts';

/** Host names and addresses of one certificate. */
export type Names = readonly string[];

const lifeMs = 7 * 86_400_000;
/** For clients whose clocks are a little behind. */
const backdatedMs = 3_600_000;

/**
 * Certificates of the gateway's own authority (`tls: internal`), one for each list of names. They are in memory only: a new process makes new ones.
 * The authority is read, or made, when the first is wanted, and is the same until this process ends.
 */
export class InternalCertificates {
  readonly #world: World;
  readonly #folder: string;
  readonly #known = new Map<string, ServedCertificate>();
  #authority: Promise<Authority> | undefined;

  constructor(world: World, folder: string) {
    this.#world = world;
    this.#folder = folder;
  }

  /** One for each, in this order; those that are known and not due stay as they are. Called again only after it has resolved. */
  async issue(wanted: readonly Names[]): Promise<readonly ServedCertificate[]> {
    if (wanted.length === 0) return [];
    this.#authority ??= this.#open();
    let authority: Authority;
    try {
      authority = await this.#authority;
    } catch (error) {
      this.#authority = undefined;
      throw error;
    }
    const issued: ServedCertificate[] = [];
    for (const names of wanted) issued.push(await this.#certificateOf(authority, names));
    return issued;
  }

  /** Of the authority, once it was wanted. */
  async warnings(): Promise<readonly string[]> {
    return this.#authority === undefined ? [] : authorityWarnings(await this.#authority, this.#world.clock.wall());
  }

  /** Forgets those of other names. */
  keepOnly(wanted: readonly Names[]): void {
    const keys = new Set(wanted.map(keyOf));
    for (const key of this.#known.keys()) if (!keys.has(key)) this.#known.delete(key);
  }

  async #open(): Promise<Authority> {
    const { isNew, ...authority } = await openAuthority(this.#folder, this.#world.clock.wall());
    const { certificatePath, fingerprint, validTo } = authority;
    const facts = { certificate: certificatePath, fingerprint, validTo: new Date(validTo).toISOString() };
    this.#world.log.write('info', isNew ? 'authority made; clients have to trust its certificate' : 'authority in use', facts);
    return authority;
  }

  async #certificateOf(authority: Authority, names: Names): Promise<ServedCertificate> {
    const key = keyOf(names);
    const known = this.#known.get(key);
    const now = this.#world.clock.wall();
    if (known !== undefined && planRenewals([known], now).due.length === 0) return known;
    // Only who issues needs the library, which takes a while to load.
    const { issueCertificate } = await import('./issuing.ts');
    const validity = { from: (now - backdatedMs) as UnixMs, to: Math.min(now + lifeMs, authority.validTo) as UnixMs };
    const { chain, key: secret } = await issueCertificate(authority, { names }, validity);
    const issued = readCertificate(chain, secret);
    this.#known.set(key, issued);
    return issued;
  }
}

function keyOf(names: Names): string {
  return names.join(' ');
}
