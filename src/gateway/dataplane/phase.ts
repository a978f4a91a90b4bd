/** Where a client's connection is. head: between or in heads · body: reading a request's body · wait: the request is complete · linger: answered for the last time. */
export const PHASE = { head: 0, body: 1, wait: 2, tunnel: 3, linger: 4, closed: 5 } as const;
