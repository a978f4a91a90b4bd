import { createHmac } from 'node:crypto';

const digits = 16;

/** What names a backend in a cookie: without the secret nobody can tell the address from it or make that of another backend. */
export function stickyTokenOf(secret: string, backendId: string): string {
  return createHmac('sha256', secret).update(backendId).digest('hex').slice(0, digits);
}
