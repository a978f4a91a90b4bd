import { hkdfSync } from 'node:crypto';

/** Secrets that session tickets are made with, the newest first; tickets of the older ones are still taken. Base64. */
export type TicketSecrets = readonly string[];

/** What Node calls ticketKeys: a name, a key for HMAC and one for AES, 16 bytes each. */
const keysBytes = 48;
const nameBytes = 16;

export interface TicketKeys {
  /** In hex; each ticket begins with it. */
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * The keys of one scope. Hosts with another certificate or another client policy have other keys, so a ticket of one is worth nothing at the other: resuming
 * never carries a client past a check (the class of CVE-2025-23419).
 */
export function ticketKeysOf(secret: string, scope: string): TicketKeys {
  const bytes = Buffer.from(hkdfSync('sha256', Buffer.from(secret, 'base64'), '', `haven session tickets ${scope}`, keysBytes));
  return { name: bytes.toString('hex', 0, nameBytes), bytes };
}
