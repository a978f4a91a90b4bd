import { PlatformError } from '#base/errors';
import type { World } from '#world/world';
import type { AccountKey } from './account-key.ts';
import { type AcmeAnswer, askAcme } from './acme-http.ts';
import { acmeError, problemIn, retryAfterMs } from './acme-problem.ts';

/** An authority, and who asks it. */
export interface AcmeAccount {
  /** URL of its directory. */
  readonly directory: string;
  /** PEM of what its own certificate is from; absent: what Node knows. */
  readonly ca: string | undefined;
  readonly email: string | undefined;
  readonly key: AccountKey;
}

/** A resource of the authority. */
export interface AcmeResource {
  readonly url: string;
  readonly value: Readonly<Record<string, unknown>>;
  /** How long to wait before it is asked for again. */
  readonly retryAfterMs: number | undefined;
}

interface Directory {
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
}

/** A nonce may be refused because it is old or another server's: that says nothing of the request (RFC 8555, 6.5). */
const mostTries = 16;
const CREATED = 201;

/**
 * Speaks ACME for one account (RFC 8555). One request at a time. Rejects with UNAVAILABLE, LIMIT or DENIED, and `retryAfterMs` in the details where the authority says when.
 */
export class AcmeClient {
  readonly #world: World;
  readonly #account: AcmeAccount;
  #directory: Directory | undefined;
  /** The account's URL. */
  #kid: string | undefined;
  #nonce: string | undefined;

  constructor(world: World, account: AcmeAccount) {
    this.#world = world;
    this.#account = account;
  }

  get key(): AccountKey {
    return this.#account.key;
  }

  async newOrder(name: string, signal: AbortSignal): Promise<AcmeResource> {
    const { newOrder } = await this.#open(signal);
    const what = `order a certificate for ${name}`;
    const answer = await this.#post(newOrder, { identifiers: [{ type: 'dns', value: name }] }, { what, signal, kid: this.#kid });
    return this.#resource(locationOf(answer, what), answer);
  }

  /** Makes a POST to a resource; without a payload it only reads it. */
  async post(url: string, payload: object | undefined, { what, signal }: { readonly what: string; readonly signal: AbortSignal }): Promise<AcmeResource> {
    return this.#resource(url, await this.#post(url, payload, { what, signal, kid: this.#kid }));
  }

  async certificate(url: string, signal: AbortSignal): Promise<string> {
    const { text } = await this.#post(url, undefined, { what: 'fetch the certificate', signal, kid: this.#kid });
    return text;
  }

  /** Reads the directory, which may change between orders, and finds or makes the account, once: the same key is the same account (RFC 8555, 7.3.1). */
  async #open(signal: AbortSignal): Promise<Directory> {
    const { directory: url, email } = this.#account;
    this.#directory = directoryIn(await this.#ask('GET', url, { what: `read the directory ${url}`, signal }), url);
    if (this.#kid !== undefined) return this.#directory;
    const payload = { termsOfServiceAgreed: true, ...(email === undefined ? {} : { contact: [`mailto:${email}`] }) };
    const answer = await this.#post(this.#directory.newAccount, payload, { what: 'use the account', signal, kid: undefined });
    this.#kid = locationOf(answer, 'use the account');
    this.#world.log.write('info', answer.status === CREATED ? 'account made' : 'account found', { directory: url, account: this.#kid });
    return this.#directory;
  }

  async #post(
    url: string,
    payload: object | undefined,
    { what, signal, kid }: { readonly what: string; readonly signal: AbortSignal; readonly kid: string | undefined },
  ): Promise<AcmeAnswer> {
    for (let left = mostTries; ; left--) {
      const nonce = this.#nonce ?? (await this.#newNonce(what, signal));
      // Each is good for one request.
      this.#nonce = undefined;
      try {
        return await this.#ask('POST', url, { what, signal, body: this.#account.key.sign({ url, nonce, kid }, payload) });
      } catch (error) {
        if (left <= 1 || !(error instanceof PlatformError) || error.details['type'] !== 'badNonce') throw error;
      }
    }
  }

  async #newNonce(what: string, signal: AbortSignal): Promise<string> {
    await this.#ask('HEAD', this.#directory?.newNonce ?? '', { what, signal });
    if (this.#nonce === undefined) throw acmeError(what, { type: '', detail: 'nothing, where it should give a nonce' });
    return this.#nonce;
  }

  async #ask(
    method: 'GET' | 'HEAD' | 'POST',
    url: string,
    how: { readonly what: string; readonly signal: AbortSignal; readonly body?: string },
  ): Promise<AcmeAnswer> {
    const { what, signal, body } = how;
    const answer = await askAcme(this.#world, url, { method, ca: this.#account.ca, signal, ...(body === undefined ? {} : { body }) });
    const nonce = answer.headers['replay-nonce'];
    if (typeof nonce === 'string') this.#nonce = nonce;
    const { status } = answer;
    if (status >= 200 && status < 300) return answer;
    const problem = problemIn(jsonIn(answer), `nothing but status ${status}`);
    // The account is gone there: the next order makes it again.
    if (problem.type === 'accountDoesNotExist') this.#kid = undefined;
    throw acmeError(what, problem, { status, retryAfterMs: retryAfterMs(answer.headers['retry-after'], this.#world.clock.wall()) });
  }

  #resource(url: string, answer: AcmeAnswer): AcmeResource {
    return { url, value: jsonIn(answer) ?? {}, retryAfterMs: retryAfterMs(answer.headers['retry-after'], this.#world.clock.wall()) };
  }
}

function directoryIn(answer: AcmeAnswer, url: string): Directory {
  const { newNonce, newAccount, newOrder, meta } = jsonIn(answer) ?? {};
  if (typeof newNonce !== 'string' || typeof newAccount !== 'string' || typeof newOrder !== 'string')
    throw new PlatformError('DENIED', `Cannot use ${url}, because it is no directory of ACME (RFC 8555, 7.1.1)`, { type: '' });
  if (typeof meta === 'object' && meta !== null && 'externalAccountRequired' in meta && meta.externalAccountRequired === true)
    throw new PlatformError(
      'DENIED',
      `Cannot use ${url}, because it wants accounts that were made elsewhere (external account binding), which is not supported`,
      { type: '' },
    );
  return { newNonce, newAccount, newOrder };
}

function locationOf({ headers }: AcmeAnswer, what: string): string {
  if (headers.location === undefined) throw acmeError(what, { type: '', detail: 'nothing, where it should give an address' });
  return headers.location;
}

function jsonIn({ text }: AcmeAnswer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
