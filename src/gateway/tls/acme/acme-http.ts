import type { IncomingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { messageOf, PlatformError } from '#base/errors';
import { onAbort } from '#base/signal';
import type { World } from '#world/world';

export interface AcmeAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface AcmeQuestion {
  readonly method: 'GET' | 'HEAD' | 'POST';
  /** A signed body. */
  readonly body?: string;
  /** PEM of the authorities that the other side's own certificate is from; absent: those that Node knows. */
  readonly ca: string | undefined;
  readonly signal: AbortSignal;
}

const answerWithinMs = 30_000;
const mostBytes = 256 * 1_024;

/** One request to an authority, over a connection of its own: there are few of them, and none may meet one that is just being closed. UNAVAILABLE without an answer. */
export async function askAcme(world: World, url: string, { method, body, ca, signal }: AcmeQuestion): Promise<AcmeAnswer> {
  const done = Promise.withResolvers<AcmeAnswer>();
  const fail = (why: string, code: 'UNAVAILABLE' | 'ABORTED' = 'UNAVAILABLE') =>
    done.reject(new PlatformError(code, `Cannot reach ${url}, because ${why}`, { url }));
  const outgoing = request(targetOf(url), {
    method,
    agent: false,
    ...(ca === undefined ? {} : { ca }),
    headers: {
      'user-agent': 'haven-gateway',
      'accept-language': 'en',
      ...(body === undefined ? {} : { 'content-type': 'application/jose+json', 'content-length': Buffer.byteLength(body) }),
    },
  });
  outgoing.on('error', (error) => fail(messageOf(error)));
  outgoing.on('response', (incoming) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    incoming.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= mostBytes) parts.push(part);
      else fail(`its answer has more than ${mostBytes} bytes`);
    });
    incoming.on('error', (error) => fail(messageOf(error)));
    incoming.on('close', () => fail('its answer was cut off'));
    incoming.on('end', () => done.resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text: Buffer.concat(parts).toString('utf8') }));
  });
  using _timeout = world.clock.after(answerWithinMs, () => fail(`it did not answer within ${answerWithinMs / 1_000} s`));
  using _listening = onAbort(signal, () => fail('the gateway is ending', 'ABORTED'));
  outgoing.end(body);
  try {
    return await done.promise;
  } finally {
    outgoing.destroy();
  }
}

/** Nothing that an authority says makes us talk without TLS. */
function targetOf(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'https:')
    throw new PlatformError('DENIED', `Cannot use what the authority gave as an address, because it is no https:// URL`, { type: '' });
  return parsed;
}
