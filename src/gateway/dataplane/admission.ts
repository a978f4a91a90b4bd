import type { RateLimit, Route } from '#model/route';
import type { Affinity, Balancer } from '#policy/balance/balancers';
import { hashBytes, hashText } from '#policy/balance/key-hash';
import { clientKeyOf, RateLimiter } from '#policy/balance/rate-limit';
import { cookieIn } from '#policy/balance/sticky';
import { isName, nameBytes } from './byte-classes.ts';
import { BODY, type Head } from './head.ts';
import { LIMITS } from './limits.ts';
import { BODY_TOO_LARGE, type OwnAnswer, tooManyRequests } from './own-answer.ts';
import type { ServiceCounts } from './service-counts.ts';

const CR = 13;
const COLON = 58;
const SPACE = 32;
const QUESTION = 63;
const TAB = 9;
/** Clients whose rate is remembered per service and worker: about 10 MB when all are taken. */
const rateKeys = 65_536;
const COOKIE = nameBytes('cookie');
const IDEMPOTENCY_KEY = nameBytes('idempotency-key');

/** Who sends a request, and what a policy wants to know of it. */
export interface Admitted {
  /** The client's address; of a connection from a trusted proxy, that of the request under way. */
  peer: string;
  /** Its key for the rate limit, found once per client; '' = not yet. */
  rateKey: string;
  keyHash: number;
  stickyToken: string;
  /** The request may be sent twice: by its method, or because its backend knows it by its key. */
  mayRepeat: boolean;
  /** Field lines that its answer gets, each with its CRLF. */
  answerLines: string;
}

export function newAdmitted(peer: string): Admitted {
  return { peer, rateKey: '', keyHash: 0, stickyToken: '', mayRepeat: false, answerLines: '' };
}

/** The next request is another client's. */
export function changeClient(admitted: Admitted, peer: string): void {
  admitted.peer = peer;
  admitted.rateKey = '';
}

/** What a service looks at in each request before a backend is picked. Services that look at nothing have none, and pay nothing. */
export class Admission {
  readonly #limiter: RateLimiter | undefined;
  readonly #perClient: boolean;
  readonly #affinity: Affinity | undefined;
  readonly #affinityName: Uint8Array | undefined;
  readonly #cookie: string | undefined;
  readonly #maxBodyBytes: number;
  readonly #trustsKeys: boolean;
  readonly #counts: ServiceCounts;
  readonly #limit: string;

  constructor(balancer: Balancer, route: Route, limiter: RateLimiter | undefined, counts: ServiceCounts) {
    this.#counts = counts;
    this.#limiter = limiter;
    this.#limit = `RateLimit-Limit: ${route.rateLimit?.burst}\r\n`;
    this.#trustsKeys = route.settings?.trustsIdempotencyKey === true;
    this.#perClient = route.rateLimit?.per === 'client';
    this.#maxBodyBytes = route.settings?.maxBodyBytes ?? LIMITS.bodyBytes;
    this.#affinity = balancer.affinity;
    this.#affinityName = balancer.affinity?.kind === 'header' ? nameBytes(balancer.affinity.name) : undefined;
    this.#cookie = balancer.sticky?.cookie;
  }

  /** The answer to a request that may not pass. For one that may: finds what the policy hashes, and the cookie that binds the client. */
  judge(client: Admitted, bytes: Buffer, head: Head, now: number): OwnAnswer | undefined {
    if (this.#limiter !== undefined) {
      const waitMs = this.#rateWaitMs(this.#limiter, client, now);
      client.answerLines = this.#rateLines(this.#limiter);
      if (waitMs > 0) {
        this.#counts.rateLimited++;
        return tooManyRequests(waitMs, client.answerLines);
      }
    }
    if (head.body === BODY.length && head.length > this.#maxBodyBytes) return BODY_TOO_LARGE;
    if (this.#trustsKeys && !client.mayRepeat) client.mayRepeat = fieldOf(bytes, head, IDEMPOTENCY_KEY) !== '';
    if (this.#affinity !== undefined) client.keyHash = this.#keyHash(this.#affinity, client, bytes, head);
    if (this.#cookie !== undefined) client.stickyToken = cookieIn(fieldOf(bytes, head, COOKIE), this.#cookie);
    return undefined;
  }

  /** Whether one more connection of this client may be carried on. */
  mayConnect(client: Admitted, now: number): boolean {
    if (this.#limiter === undefined || this.#rateWaitMs(this.#limiter, client, now) === 0) return true;
    this.#counts.rateLimited++;
    return false;
  }

  #rateWaitMs(limiter: RateLimiter, client: Admitted, now: number): number {
    if (!this.#perClient) return limiter.take('', now);
    if (client.rateKey === '') client.rateKey = clientKeyOf(client.peer);
    return limiter.take(client.rateKey, now);
  }

  /** What is left of the client's share (draft-ietf-httpapi-ratelimit-headers-06, section 3). */
  #rateLines({ remaining, fullInMs }: RateLimiter): string {
    return `${this.#limit}RateLimit-Remaining: ${remaining}\r\nRateLimit-Reset: ${Math.ceil(fullInMs / 1_000)}\r\n`;
  }

  #keyHash(affinity: Affinity, client: Admitted, bytes: Buffer, head: Head): number {
    switch (affinity.kind) {
      case 'path': {
        let end = head.targetAt;
        while (end < head.targetEnd && bytes[end] !== QUESTION) end++;
        return hashBytes(bytes, head.targetAt, end);
      }
      case 'header': {
        const value = fieldOf(bytes, head, this.#affinityName as Uint8Array);
        // Those without the field would otherwise all have the same home.
        return hashText(value === '' ? client.peer : value);
      }
      default:
        return hashText(client.peer);
    }
  }
}

/** What a service has to look at; `undefined` if nothing. */
export function admissionFor(balancer: Balancer, route: Route, limiter: RateLimiter | undefined, counts: ServiceCounts): Admission | undefined {
  const { maxBodyBytes, trustsIdempotencyKey } = route.settings ?? {};
  const looks =
    limiter !== undefined || balancer.affinity !== undefined || balancer.sticky !== undefined || maxBodyBytes !== undefined || trustsIdempotencyKey === true;
  return looks ? new Admission(balancer, route, limiter, counts) : undefined;
}

/** A limiter for a service, with nothing counted yet. */
export function limiterFor(rateLimit: RateLimit): RateLimiter {
  return new RateLimiter({ ratePerSecond: rateLimit.ratePerSecond, burst: rateLimit.burst, maxKeys: rateLimit.per === 'client' ? rateKeys : 1 });
}

/** The value of the first field of that name (in lower case) in a head that was scanned, or ''. */
function fieldOf(bytes: Buffer, head: Head, name: Uint8Array): string {
  for (let at = head.fieldsAt; at < head.end - 2; ) {
    let end = at;
    while (bytes[end] !== CR) end++;
    const colon = at + name.length;
    if (bytes[colon] === COLON && isName(bytes, at, name)) {
      let from = colon + 1;
      while (bytes[from] === SPACE || bytes[from] === TAB) from++;
      return bytes.toString('latin1', from, end).trimEnd();
    }
    at = end + 2;
  }
  return '';
}
