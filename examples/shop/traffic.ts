/** One request of a user of the shop. */
export interface ShopRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const USERS = 500;
const PRODUCTS = 8;
/** What 20 requests in a row do: Page, User, Stock, Cart, Order. */
const MIX = 'PPUPSPCUPPUPSUCPPOUP';

/** Request number `index` of users who browse and buy. `run` makes the keys of orders unique between runs. */
export function shopRequest(index: number, run: string): ShopRequest {
  const user = 1 + ((Math.imul(index, 2_654_435_761) >>> 0) % USERS);
  switch (MIX[index % MIX.length]) {
    case 'U':
      return { method: 'GET', path: `/user/${user}` };
    case 'S':
      return { method: 'GET', path: '/stock' };
    case 'C':
      return { method: 'POST', path: `/cart/${user}`, headers: JSON_BODY, body: `{"product":${1 + (index % PRODUCTS)},"quantity":1}` };
    case 'O':
      return { method: 'POST', path: `/order/${user}`, headers: { ...JSON_BODY, 'idempotency-key': `${run}-${index}` }, body: '{}' };
    default:
      return { method: 'GET', path: '/' };
  }
}

const JSON_BODY = { 'content-type': 'application/json' };
