import { PlatformError } from '#base/errors';
import type { World } from '#world/world';
import { readCertificate } from '../read-certificate.ts';
import type { ServedCertificate } from '../tls-settings.ts';
import type { AcmeClient, AcmeResource } from './acme-client.ts';
import { acmeError, problemIn } from './acme-problem.ts';
import { type ChallengeKind, type Challenges, NO_CHALLENGES } from './challenges.ts';

export interface OrderOptions {
  readonly name: string;
  readonly challenge: ChallengeKind;
  /** Resolves once every worker answers these challenges and no others. */
  readonly present: (challenges: Challenges) => Promise<void>;
  readonly signal: AbortSignal;
}

const FINAL = new Set(['valid', 'invalid', 'deactivated', 'expired', 'revoked']);
/** For each of the two things that are waited for: the proof, and the certificate. */
const readyWithinMs = 180_000;
const firstPollMs = 500;
const slowestPollMs = 10_000;

/** Orders a certificate and sees it through (RFC 8555, 7.4). Rejects with what `AcmeClient` says; DENIED with the reason if the authority could not see that the host is ours. */
export async function orderCertificate(world: World, client: AcmeClient, options: OrderOptions): Promise<ServedCertificate> {
  const { name, signal } = options;
  const order = await client.newOrder(name, signal);
  for (const url of textsIn(order.value['authorizations'])) await authorize(world, client, url, options);
  const ready = await settled(world, client, order, { signal, what: `order a certificate for ${name}`, isDone: (status) => status !== 'pending' });
  // Only who orders needs the library, which takes a while to load.
  const { requestCertificate } = await import('./signed-requests.ts');
  const { request, key } = await requestCertificate(name);
  const what = `get the certificate for ${name}`;
  if (ready.value['status'] === 'ready') await client.post(textIn(ready.value, 'finalize', what), { csr: request }, { what, signal });
  else throw acmeError(what, problemIn(ready.value['error'], `the order is ${String(ready.value['status'])}`));
  const done = await settled(world, client, ready, { signal, what, isDone: (status) => FINAL.has(status) });
  if (done.value['status'] !== 'valid') throw acmeError(what, problemIn(done.value['error'], `the order is ${String(done.value['status'])}`));
  return checked(await client.certificate(textIn(done.value, 'certificate', what), signal), { key, name });
}

/** Shows that the host is ours, unless the authority still knows it. */
async function authorize(world: World, client: AcmeClient, url: string, { name, challenge: kind, present, signal }: OrderOptions): Promise<void> {
  const what = `show that ${name} is ours by ${kind}`;
  const authorization = await client.post(url, undefined, { what, signal });
  if (authorization.value['status'] === 'valid') return;
  const offered = Array.isArray(authorization.value['challenges']) ? (authorization.value['challenges'] as readonly Readonly<Record<string, unknown>>[]) : [];
  const challenge = offered.find(({ type }) => type === kind);
  if (challenge === undefined) throw acmeError(what, { type: '', detail: `only ${offered.map(({ type }) => String(type)).join(', ') || 'nothing'} will do` });
  const token = textIn(challenge, 'token', what);
  // It becomes part of an answer.
  if (!/^[A-Za-z0-9_-]{1,512}$/.test(token)) throw acmeError(what, { type: '', detail: 'a token that is none' });
  const text = client.key.authorizationOf(token);
  if (kind === 'http-01') await present({ ...NO_CHALLENGES, answers: [{ token, text }] });
  else {
    const { certifyChallenge } = await import('./signed-requests.ts');
    await present({ ...NO_CHALLENGES, certificates: [await certifyChallenge(name, text, world.clock.wall())] });
  }
  try {
    await client.post(textIn(challenge, 'url', what), {}, { what, signal });
    const done = await settled(world, client, authorization, { signal, what, isDone: (status) => FINAL.has(status) });
    if (done.value['status'] === 'valid') return;
    const challenges = (done.value['challenges'] ?? []) as readonly Readonly<Record<string, unknown>>[];
    throw acmeError(what, problemIn(challenges.find(({ error }) => error !== undefined)?.['error'], `it is ${String(done.value['status'])}`));
  } finally {
    await present(NO_CHALLENGES);
  }
}

/** Reads a resource until it is what is waited for: as often as the authority says, else less and less often. */
async function settled(
  world: World,
  client: AcmeClient,
  { url }: AcmeResource,
  { what, signal, isDone }: { readonly what: string; readonly signal: AbortSignal; readonly isDone: (status: string) => boolean },
): Promise<AcmeResource> {
  const { clock } = world;
  const until = clock.now() + readyWithinMs;
  for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 2, slowestPollMs)) {
    const resource = await client.post(url, undefined, { what, signal });
    if (isDone(String(resource.value['status']))) return resource;
    const waitMs = Math.max(resource.retryAfterMs ?? pollMs, firstPollMs);
    if (clock.now() + waitMs > until)
      throw new PlatformError('TIMEOUT', `Cannot ${what}, because the authority was not done within ${readyWithinMs / 1_000} s`);
    await clock.sleep(waitMs, signal);
  }
}

/** What is served must be what was asked for, whoever sent it. */
function checked(chain: string, { key, name }: { readonly key: string; readonly name: string }): ServedCertificate {
  const certificate = readCertificate(chain, key);
  if (!certificate.names.includes(name))
    throw new PlatformError('INVALID', `Cannot use the certificate for ${name}, because it is for ${certificate.names.join(', ')}`);
  return certificate;
}

function textIn(value: Readonly<Record<string, unknown>>, key: string, what: string): string {
  const text = value[key];
  if (typeof text !== 'string') throw acmeError(what, { type: '', detail: `nothing, where it should give "${key}"` });
  return text;
}

function textsIn(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}
