import { createHash } from 'node:crypto';
import { PlatformError } from '#base/errors';
import { readRecord, writeRecord } from '#world/files';
import type { Disk } from '#world/world';
import { AccountKey } from './account-key.ts';
import type { Failures, Held } from './renewal.ts';

/** What is kept of one name: the certificate with its key, in PEM, and what failed since. */
export interface KeptName {
  readonly certificate?: Pick<Held, 'orderedAt'> & { readonly chain: string; readonly key: string };
  readonly failures?: Failures;
}

const idDigits = 8;

/** What is kept of one authority: the account's key, certificates with their keys. Files are for the owner only, whole or not there, and checked when they are read. */
export class AcmeStore {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #directory: string;

  constructor(disk: Disk, folder: string, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
    const id = createHash('sha256').update(directory).digest('hex').slice(0, idDigits);
    this.#folder = `${folder}/${new URL(directory).hostname.replace(/[^a-z0-9.-]/g, '')}-${id}`;
  }

  /** The key that is there, else a new one, which is kept before it is used. CORRUPT if it is there and cannot be read: a new account would have other limits. */
  async accountKey(): Promise<AccountKey> {
    const path = `${this.#folder}/account.json`;
    await this.#disk.makeDirectory(this.#folder);
    const kept = (await readRecord(this.#disk, path))?.value as { readonly key?: unknown } | undefined;
    if (kept !== undefined && typeof kept.key !== 'string') throw new PlatformError('CORRUPT', `Cannot use "${path}", because it holds no key`, { path });
    const key = kept === undefined ? AccountKey.make() : (kept.key as string);
    if (kept === undefined) await writeRecord(this.#disk, path, { directory: this.#directory, key });
    return new AccountKey(key);
  }

  /** CORRUPT if it is there and cannot be read. */
  async read(name: string): Promise<KeptName> {
    return ((await readRecord(this.#disk, this.#pathOf(name)))?.value ?? {}) as KeptName;
  }

  async write(name: string, kept: KeptName): Promise<void> {
    await this.#disk.makeDirectory(`${this.#folder}/certificates`);
    await writeRecord(this.#disk, this.#pathOf(name), kept);
  }

  /** Host names were checked: they hold no slash and do not begin with a dot. */
  #pathOf(name: string): string {
    return `${this.#folder}/certificates/${name}.json`;
  }
}
