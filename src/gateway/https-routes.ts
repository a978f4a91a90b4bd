import { messageOf, PlatformError } from '#base/errors';
import type { Route } from '#model/route';
import type { Address, World } from '#world/world';
import type { ListenerSettings } from './dataplane/listener-settings.ts';
import { bindListener } from './listeners.ts';
import { InternalCertificates, type Names } from './tls/internal-certificates.ts';
import { namesOfListener, thisMachine } from './tls/machine-names.ts';
import { RenewalTimer } from './tls/renewal-timer.ts';
import type { ServedCertificate } from './tls/tls-settings.ts';
import type { Workers } from './workers.ts';

/** Where routes with `tls: internal` are served, and the folder of the authority that their certificates are of. */
export interface HttpsConfig {
  readonly address: Address;
  readonly authorityFolder: string;
}

/** What is true of HTTPS now, for the gateway's report. */
export interface HttpsReport {
  readonly httpsAddress: Address;
  /** Why it is not as routes want it, and what to do; without a full stop. */
  readonly httpsProblem?: string;
}

const id = 'https';
const retryMs = 5_000;
/** Each takes a millisecond or two to issue, and is in the memory of every worker. */
const mostCertificates = 2_000;

/**
 * The HTTPS listener of a cluster's gateway: open while a route wants it, with a certificate for each of their hosts.
 *
 * The gateway issues them itself, from a folder that all gateways of the machine share. So no private key is in the store, in an answer of the API or on the way, and
 * certificates are there, and renewed, while control is down.
 */
export class HttpsRoutes implements Disposable {
  readonly #world: World;
  readonly #workers: Workers;
  readonly #config: HttpsConfig;
  readonly #onReport: () => void;
  readonly #internal: InternalCertificates;
  readonly #renewals: RenewalTimer;
  #wanted: readonly Names[] = [];
  #certificates: readonly ServedCertificate[] = [];
  #isOpen = false;
  #isOver = false;
  #problem = '';
  #last: Promise<unknown> = Promise.resolve();
  #retry: Disposable | undefined;

  /** `onReport`: what the report says has changed. */
  constructor(world: World, workers: Workers, { onReport, ...config }: HttpsConfig & { readonly onReport: () => void }) {
    this.#world = world;
    this.#onReport = onReport;
    this.#workers = workers;
    this.#config = config;
    this.#internal = new InternalCertificates(world, config.authorityFolder);
    this.#renewals = new RenewalTimer(world, async () => await this.#inTurn());
  }

  /** In force. */
  get certificates(): readonly ServedCertificate[] {
    return this.#certificates;
  }

  get report(): HttpsReport {
    return { httpsAddress: this.#config.address, ...(this.#problem === '' ? {} : { httpsProblem: this.#problem }) };
  }

  /** Call after the routes were given to the workers. It is done in the background; what fails is in the log, and tried again. */
  configure(routes: readonly Route[]): void {
    const wanted = namesOf(routes, this.#config.address.host);
    if (JSON.stringify(wanted) === JSON.stringify(this.#wanted)) return;
    this.#wanted = wanted;
    this.#refresh();
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#retry?.[Symbol.dispose]();
    this.#renewals[Symbol.dispose]();
  }

  #refresh(): void {
    this.#retry?.[Symbol.dispose]();
    this.#inTurn().then(
      (certificates) => this.#renewals.follow(certificates),
      () => {
        if (!this.#isOver) this.#retry = this.#world.clock.after(retryMs, () => this.#refresh());
      },
    );
  }

  #say(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    if (problem !== '') this.#world.log.write('error', 'HTTPS is not as routes want it; it is tried again', { cause: problem });
    this.#onReport();
  }

  /** One after the other: each does what is wanted when its turn comes. */
  #inTurn(): Promise<readonly ServedCertificate[]> {
    const next = this.#last.then(
      async () => await this.#apply(),
      async () => await this.#apply(),
    );
    this.#last = next.then(
      () => this.#say(this.#excess),
      (error: unknown) => this.#say(withNext(error)),
    );
    return next;
  }

  async #apply(): Promise<readonly ServedCertificate[]> {
    const wanted = this.#wanted;
    const certificates = await this.#internal.issue(wanted.slice(0, mostCertificates));
    if (this.#isOver) return [];
    if (certificates.length === 0) this.#close();
    else this.#open(settingsWith(certificates));
    this.#internal.keepOnly(wanted);
    this.#certificates = certificates;
    return certificates;
  }

  get #excess(): string {
    const { length } = this.#wanted;
    return length <= mostCertificates ? '' : `Only ${mostCertificates} of ${length} hosts have a certificate, which is the most that are issued`;
  }

  #open(settings: ListenerSettings): void {
    if (this.#isOpen) {
      this.#workers.changeListener(id, settings);
      return;
    }
    const { handle } = bindListener(this.#config.address);
    this.#isOpen = true;
    this.#workers.addListener(id, handle, settings);
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#workers.removeListener(id);
  }
}

/** One list for each certificate; the first for clients that ask for a name that none has. */
function namesOf(routes: readonly Route[], listenerHost: string): readonly Names[] {
  const hosts = routes.flatMap(({ matches }) => matches.filter(({ tls }) => tls === 'internal').map(({ host }) => host.toLowerCase()));
  const named = [...new Set(hosts)].filter((host) => host !== '*').sort();
  return [...(hosts.includes('*') ? [namesOfListener(listenerHost, thisMachine())] : []), ...named.map((host) => [host])];
}

function withNext(error: unknown): string {
  const next = error instanceof PlatformError ? error.details['next'] : undefined;
  return `${messageOf(error)}${typeof next === 'string' ? `: ${next}` : ''}`;
}

function settingsWith(certificates: readonly ServedCertificate[]): ListenerSettings {
  return { tls: { certificates, unknownNames: 'serve', minVersion: 'TLSv1.2', protocols: ['h2', 'http/1.1'], clients: [] } };
}
