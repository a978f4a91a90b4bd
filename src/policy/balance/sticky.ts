import type { BalanceCandidate } from './candidate.ts';

/** A candidate that clients can be bound to. */
export interface StickyCandidate extends BalanceCandidate {
  /** What the cookie says: made from the backend's id with a secret, never the address. 16 letters and digits, all of one length. */
  readonly stickyToken: string;
}

/** The candidate that the cookie names, if it is usable and was not tried: a client is bound to who is well, not to who is gone. */
export function pickBound<Candidate extends StickyCandidate>(
  candidates: readonly Candidate[],
  excluded: readonly Candidate[] | undefined,
  token: string,
): Candidate | undefined {
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as Candidate;
    if (candidate.stickyToken === token) return candidate.weight > 0 && !excluded?.includes(candidate) ? candidate : undefined;
  }
  return undefined;
}

/** The cookie's value in a Cookie field, or '' (RFC 6265, 5.4: `a=1; b=2`). The first of that name wins, as with browsers, which send the most specific first. */
export function cookieIn(field: string, name: string): string {
  for (let at = 0; at < field.length; ) {
    let end = field.indexOf(';', at);
    if (end === -1) end = field.length;
    while (field[at] === ' ') at++;
    if (field.startsWith(name, at) && field[at + name.length] === '=') return field.slice(at + name.length + 1, end).trim();
    at = end + 1;
  }
  return '';
}

/** The line that binds a client for the session, or for `ttlMs`. */
export function setCookieLine(cookie: { readonly name: string; readonly token: string; readonly ttlMs: number; readonly secure: boolean }): string {
  const age = cookie.ttlMs > 0 ? `; Max-Age=${Math.round(cookie.ttlMs / 1_000)}` : '';
  return `Set-Cookie: ${cookie.name}=${cookie.token}; Path=/; HttpOnly; SameSite=Lax${age}${cookie.secure ? '; Secure' : ''}\r\n`;
}
