import { toBytes } from '#base/bytes';
import { messageOf, PlatformError } from '#base/errors';
import type { NetworkResponse, ServedRequest } from '#world/world';

/** Sent with every POST to the admin address. */
export const ADMIN_FIELD = 'haven-admin';

/** The answer to a POST: what the action results in, or why it refused. Without an action there is nothing to post to. */
export async function answerPost(headers: ServedRequest['headers'], action: (() => Promise<object>) | undefined): Promise<NetworkResponse> {
  // A web page can make its visitor's browser send a POST, but not with a field of our own.
  if (action === undefined || headers[ADMIN_FIELD] === undefined) return page(404, 'text/plain', 'only for a gateway whose routes come from a file\n');
  try {
    return page(200, 'application/json', JSON.stringify(await action()));
  } catch (error) {
    const { code, message, details } = error instanceof PlatformError ? error : { code: 'INTERNAL', message: messageOf(error), details: {} };
    return page(code === 'INTERNAL' ? 500 : 400, 'application/json', JSON.stringify({ error: { code, message, details } }));
  }
}

/** A whole answer. */
export function page(status: number, type: string, text: string): NetworkResponse {
  return { status, headers: { 'content-type': type }, body: once(toBytes(text)) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
