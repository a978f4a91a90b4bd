/** One request of a user of the shop. */
export interface ShopRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const PRODUCTS = 8;
/** What one visit does: Page, User, Stock, Cart, Order. */
const VISIT = 'PPUPSPCUPPUPSUCPPOUP';
/** Visits at the same time, each a step behind the one before. */
const VISITORS = 25;
/** Users are numbered from 1; after so many visits the first comes again. */
const VISITS_BEFORE_RETURN = 20;

/** Request number `index` of users who browse and buy. `run` makes the keys of orders unique between runs. */
export function shopRequest(index: number, run: string): ShopRequest {
  const visitor = index % VISITORS;
  const step = Math.floor(index / VISITORS) + visitor;
  const visit = Math.floor(step / VISIT.length) % VISITS_BEFORE_RETURN;
  const user = 1 + visitor * VISITS_BEFORE_RETURN + visit;
  switch (VISIT[step % VISIT.length]) {
    case 'U':
      return { method: 'GET', path: `/user/${user}` };
    case 'S':
      return { method: 'GET', path: '/stock' };
    case 'C':
      return { method: 'POST', path: `/cart/${user}`, headers: JSON_BODY, body: `{"product":${1 + (step % PRODUCTS)},"quantity":1}` };
    case 'O':
      return { method: 'POST', path: `/order/${user}`, headers: { ...JSON_BODY, 'idempotency-key': `${run}-${index}` }, body: '{}' };
    default:
      return { method: 'GET', path: '/' };
  }
}

const JSON_BODY = { 'content-type': 'application/json' };
