import { clientKeyOf } from '#policy/balance/rate-limit';

/** Why a connection was not taken, or was given up for others; labels of a metric. `files`: this process may have no more open. */
export const CONNECTION_REFUSALS = ['total', 'client', 'opening', 'unproven', 'files'] as const;
export type ConnectionRefusal = (typeof CONNECTION_REFUSALS)[number];

/** Who has how many connections, and how many were refused. A client is an IPv4 address or the /64 of an IPv6 address. */
export class ConnectionCounts {
  readonly #byClient = new Map<string, number>();
  readonly refused: Record<ConnectionRefusal, number> = { total: 0, client: 0, opening: 0, unproven: 0, files: 0 };
  /** As many as leave files for connections to backends, so that those who are let in can be served. */
  room = Number.POSITIVE_INFINITY;

  /** Counts one more of this client: what to call when it ends. `undefined` if it has `most` already. */
  enter(address: string, most: number): (() => void) | undefined {
    const key = clientKeyOf(address);
    const count = this.#byClient.get(key) ?? 0;
    if (count >= most) {
      this.refused.client++;
      return undefined;
    }
    this.#byClient.set(key, count + 1);
    let isHere = true;
    return () => {
      if (!isHere) return;
      isHere = false;
      const left = (this.#byClient.get(key) ?? 1) - 1;
      if (left > 0) this.#byClient.set(key, left);
      else this.#byClient.delete(key);
    };
  }

  /** Clients that have a connection. */
  get clients(): number {
    return this.#byClient.size;
  }
}
