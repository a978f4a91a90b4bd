import { messageOf, PlatformError } from '#base/errors';
import { isAbort } from '#base/signal';
import { Wakeup } from '#base/wakeup';
import type { UnixMs, World } from '#world/world';
import { readCertificate } from '../read-certificate.ts';
import type { ServedCertificate } from '../tls-settings.ts';
import { AcmeClient } from './acme-client.ts';
import { type OrderResult, resultOf } from './acme-problem.ts';
import { AcmeStore } from './acme-store.ts';
import type { Challenges } from './challenges.ts';
import { type Account, dueAt, type IssuedName, kept, keyOf, usable, type WantedCertificates } from './issued-name.ts';
import { orderCertificate } from './order.ts';
import { type Failures, failedAgain, mayBeMended } from './renewal.ts';

export interface IssuerOptions {
  /** Where keys and certificates are kept; made if missing. */
  readonly folder: string;
  /** Resolves once every worker answers these challenges and no others. */
  readonly present: (challenges: Challenges) => Promise<void>;
  /** What `certificatesFor` gives has changed. */
  readonly onChange: () => void;
  /** How one certificate is got; absent: by ACME. */
  readonly order?: typeof orderCertificate;
}

/** Timers end at this at the latest, so that a wall clock that was set is noticed. */
const mostPauseMs = 3_600_000;
/** Between looks whether another process has done with its order. */
const turnPollMs = 5_000;

/**
 * Gets certificates from authorities by ACME and renews them, one order at a time.
 *
 * I0: of all processes with one folder, one orders at a time, and what it got is everybody's. I1: an order is noted on disk as failed before it is made, and as done after: neither a crash nor a full disk makes orders without end. I2: a certificate is served
 * until another takes its place or it expires. I3: what fails is logged with what, where, why, and when it is tried again; it never rejects.
 */
export class Issuer {
  readonly #world: World;
  readonly #options: IssuerOptions;
  /** By directory. */
  readonly #accounts = new Map<string, Account>();
  /** By directory and name. */
  #names = new Map<string, IssuedName>();
  readonly #wakeup = new Wakeup();
  #published = '';
  #stopping: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();
  /** Since the start. */
  readonly orders = new Map<OrderResult, number>();

  constructor(world: World, options: IssuerOptions) {
    this.#world = world;
    this.#options = options;
  }

  /** Takes up exactly these names; what is kept of them is served from now on. Those that failed are tried again soon: who asks for this may have mended something. */
  async configure(all: readonly WantedCertificates[]): Promise<void> {
    const names = new Map<string, IssuedName>();
    for (const wanted of all)
      for (const name of wanted.names) {
        const key = keyOf(wanted, name);
        const known = this.#names.get(key);
        if (known !== undefined) {
          known.wanted = wanted;
          known.failures &&= mayBeMended(known.failures);
        }
        names.set(key, known ?? (await this.#load(wanted, name)));
      }
    for (const account of this.#accounts.values()) account.failures &&= mayBeMended(account.failures);
    this.#names = names;
    this.#published = this.#fingerprint();
    this.#wakeup.ring();
  }

  /** Those that are there and not over. */
  certificatesFor(wanted: WantedCertificates): readonly ServedCertificate[] {
    const now = this.#world.clock.wall();
    return wanted.names.flatMap((name) => usable(this.#names.get(keyOf(wanted, name)), now) ?? []);
  }

  /** Orders what is due from now on. */
  start(): void {
    if (this.#stopping !== undefined) return;
    const stopping = new AbortController();
    this.#stopping = stopping;
    this.#running = this.#run(stopping.signal);
  }

  /** Resolves once no order is under way. */
  async stop(): Promise<void> {
    this.#stopping?.abort();
    await this.#running;
    this.#stopping = undefined;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#world;
    while (!signal.aborted) {
      const now = clock.wall();
      this.#dropExpired(now);
      this.#publish();
      const [due] = [...this.#names.values()].map((name) => ({ name, at: dueAt(name, now) })).sort((a, b) => a.at - b.at);
      if (due !== undefined && due.at <= now) {
        if (!(await this.#orderInTurn(due.name, signal))) await clock.sleep(turnPollMs, signal).catch(() => undefined);
        continue;
      }
      const ends = [...this.#names.values()].flatMap((name) => usable(name, now)?.validTo ?? []);
      const pauseMs = Math.min(mostPauseMs, ...[...ends, ...(due === undefined ? [] : [due.at])].map((at) => at - now));
      using _timer = clock.after(pauseMs, () => this.#wakeup.ring());
      await this.#wakeup.wait(signal).catch(() => undefined);
    }
  }

  /** I2. */
  #dropExpired(now: UnixMs): void {
    for (const name of this.#names.values()) {
      const { certificate, wanted } = name;
      if (certificate === undefined || now < certificate.validTo) continue;
      name.certificate = undefined;
      const facts = { host: name.name, directory: wanted.directory, until: textOf(certificate.validTo), next: textOf(dueAt(name, now)) };
      this.#world.log.write('error', 'certificate expired: handshakes with this name are refused until there is another', facts);
    }
  }

  /** I0. False: it is another's turn. */
  async #orderInTurn(name: IssuedName, signal: AbortSignal): Promise<boolean> {
    const { disk } = this.#world;
    const { folder } = this.#options;
    try {
      await disk.makeDirectory(folder);
      using turn = await disk.lock(`${folder}/orders.lock`);
      if (turn === undefined) return false;
      if (!(await this.#adopt(name))) await this.#order(name, signal);
    } catch (error) {
      this.#note(name, error, name.failures);
    }
    return true;
  }

  /** Takes over what another process got meanwhile. */
  async #adopt(name: IssuedName): Promise<boolean> {
    const { certificate } = await this.#read(name.account, name.name, name.wanted.directory);
    if (certificate === undefined || certificate.validTo <= this.#world.clock.wall() || certificate.orderedAt <= (name.certificate?.orderedAt ?? 0))
      return false;
    name.certificate = certificate;
    name.failures = undefined;
    return true;
  }

  /** Never rejects. */
  async #order(name: IssuedName, signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#world;
    const { account, certificate: held, failures: before } = name;
    const about = { host: name.name, directory: name.wanted.directory, challenge: name.wanted.challenge };
    name.failures = failedAgain(before, { now: clock.wall(), luck: random.next() });
    try {
      // I1.
      await account.store.write(name.name, kept(name));
      const client = await this.#clientOf(name);
      log.write('info', held === undefined ? 'ordering a certificate' : 'renewing a certificate', about);
      const { present, order = orderCertificate } = this.#options;
      const certificate = await order(this.#world, client, { name: name.name, challenge: name.wanted.challenge, present, signal });
      name.certificate = { ...certificate, orderedAt: clock.wall() };
      name.failures = undefined;
      account.failures = undefined;
      this.#count(held === undefined ? 'issued' : 'renewed');
      log.write('info', 'certificate issued', { ...about, until: textOf(certificate.validTo), next: textOf(dueAt(name, clock.wall())) });
      this.#publish();
    } catch (error) {
      if (isAbort(error, signal)) {
        name.failures = before;
        account.client = undefined;
      } else this.#note(name, error, before);
    }
    await account.store
      .write(name.name, kept(name))
      .catch((error: unknown) => log.write('error', 'state of a certificate not saved', { ...about, cause: messageOf(error) }));
  }

  #note(name: IssuedName, error: unknown, before: Failures | undefined): void {
    const { clock, random, log } = this.#world;
    const { account, wanted } = name;
    const result = resultOf(error);
    const asked = error instanceof PlatformError ? error.details['retryAfterMs'] : undefined;
    const retryAfterMs = typeof asked === 'number' ? asked : undefined;
    name.failures = failedAgain(before, { now: clock.wall(), luck: random.next(), retryAfterMs });
    // A limit may be of this name only, so others wait a little, not as long as it does.
    if (result === 'unreachable' || result === 'limited')
      account.failures = failedAgain(account.failures, {
        now: clock.wall(),
        luck: random.next(),
        retryAfterMs: result === 'unreachable' ? retryAfterMs : undefined,
      });
    this.#count(result);
    const now = clock.wall();
    const served = usable(name, now);
    // I3.
    log.write('error', 'certificate not issued', {
      host: name.name,
      directory: wanted.directory,
      challenge: wanted.challenge,
      cause: messageOf(error),
      result,
      failures: name.failures.count,
      next: textOf(dueAt(name, now)),
      served: served === undefined ? 'none: handshakes with this name are refused' : `the one before, until ${textOf(served.validTo)}`,
    });
  }

  /** The client of the account, made anew when what it was made of has changed. */
  async #clientOf({ account, wanted: { directory, ca, email } }: IssuedName): Promise<AcmeClient> {
    const madeFor = JSON.stringify([ca, email]);
    if (account.client?.madeFor !== madeFor)
      account.client = { madeFor, it: new AcmeClient(this.#world, { directory, ca, email, key: await account.store.accountKey() }) };
    return account.client.it;
  }

  async #load(wanted: WantedCertificates, name: string): Promise<IssuedName> {
    const { disk } = this.#world;
    const { directory } = wanted;
    const account: Account = this.#accounts.get(directory) ?? {
      store: new AcmeStore(disk, this.#options.folder, directory),
      failures: undefined,
      client: undefined,
    };
    this.#accounts.set(directory, account);
    return { name, account, wanted, ...(await this.#read(account, name, directory)) };
  }

  /** What is kept of a name, as far as it can be used. */
  async #read({ store }: Account, name: string, directory: string): Promise<Pick<IssuedName, 'certificate' | 'failures'>> {
    try {
      const { certificate, failures } = await store.read(name);
      if (certificate === undefined) return { certificate, failures };
      return { certificate: { ...readCertificate(certificate.chain, certificate.key), orderedAt: certificate.orderedAt }, failures };
    } catch (error) {
      this.#world.log.write('error', 'kept certificate cannot be used; a new one is ordered', { host: name, directory, cause: messageOf(error) });
      return { certificate: undefined, failures: undefined };
    }
  }

  #publish(): void {
    const fingerprint = this.#fingerprint();
    if (fingerprint === this.#published) return;
    this.#published = fingerprint;
    this.#options.onChange();
  }

  #fingerprint(): string {
    const now = this.#world.clock.wall();
    // I2.
    return [...this.#names].map(([key, name]) => `${key} ${usable(name, now)?.chain}`).join('\n');
  }

  #count(result: OrderResult): void {
    this.orders.set(result, (this.orders.get(result) ?? 0) + 1);
  }
}

function textOf(at: UnixMs): string {
  return new Date(at).toISOString();
}
