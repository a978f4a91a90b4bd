import { toBytes } from '#base/bytes';
import { messageOf, PlatformError } from '#base/errors';
import type { NetworkResponse, ServedRequest } from '#world/world';
import type { LiveStatus } from './live-status.ts';

/** Sent with every POST to the admin address. */
export const ADMIN_FIELD = 'haven-admin';

/** What a gateway tells and does at its admin address. */
export interface AdminPages {
  /** Asked for each time that somebody wants to know. */
  readonly readiness: () => 'ready' | 'not serving yet' | 'ending';
  /** In the text format of Prometheus. */
  readonly metrics: () => Promise<string>;
  readonly status: () => LiveStatus;
  /** What `POST /reload` does; its result is the answer, its PlatformError the refusal. */
  readonly reload: (() => Promise<object>) | undefined;
  /** The same for `POST /upgrade`. */
  readonly upgrade: (() => Promise<object>) | undefined;
}

/** The answer to one request at the admin address. */
export async function answerAdmin({ method, path, headers }: ServedRequest, pages: AdminPages): Promise<NetworkResponse> {
  const route = path.split('?', 1)[0];
  if (route === '/reload' && method === 'POST') return await answerPost(headers, pages.reload);
  if (route === '/upgrade' && method === 'POST') return await answerPost(headers, pages.upgrade);
  if (method !== 'GET' && method !== 'HEAD') return page(405, 'text/plain', 'only GET\n');
  switch (route) {
    case '/ready': {
      const readiness = pages.readiness();
      return page(readiness === 'ready' ? 200 : 503, 'text/plain', `${readiness}\n`);
    }
    case '/metrics':
      return page(200, 'text/plain; version=0.0.4', await pages.metrics());
    case '/status':
      return page(200, 'application/json', JSON.stringify(pages.status()));
    default:
      return page(404, 'text/plain', 'there are /metrics, /status and /ready\n');
  }
}

async function answerPost(headers: ServedRequest['headers'], action: (() => Promise<object>) | undefined): Promise<NetworkResponse> {
  if (action === undefined) return page(404, 'text/plain', 'only for a gateway whose routes come from a file\n');
  // A web page can make its visitor's browser send a POST, but not with a field of our own.
  if (headers[ADMIN_FIELD] === undefined)
    return page(403, 'text/plain', `only with a field "${ADMIN_FIELD}", as "haven gateway reload" and "upgrade" send it\n`);
  try {
    return page(200, 'application/json', JSON.stringify(await action()));
  } catch (error) {
    const { code, message, details } = error instanceof PlatformError ? error : { code: 'INTERNAL', message: messageOf(error), details: {} };
    return page(code === 'INTERNAL' ? 500 : 400, 'application/json', JSON.stringify({ error: { code, message, details } }));
  }
}

function page(status: number, type: string, text: string): NetworkResponse {
  return { status, headers: { 'content-type': type }, body: once(toBytes(text)) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
