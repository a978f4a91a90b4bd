import { ShopData } from './data.ts';
import { parseId, readJson, sendJson, serve } from './http.ts';

const data = new ShopData();

serve(
  async (request, response) => {
    const { method, url = '/' } = request;
    const [, noun = '', id = ''] = url.split('/');
    const number = parseId(id);

    if (method === 'GET') {
      if (noun === 'healthz') return sendJson(response, 200, { ok: true });
      if (noun === 'products') return sendJson(response, 200, data.products());
      if (noun === 'users' && number) return sendJson(response, 200, { id: number, cart: data.cart(number), orders: data.ordersOf(number) });
      if (noun === 'orders' && number) {
        const order = data.order(number);
        return order ? sendJson(response, 200, order) : sendJson(response, 404, { error: 'no such order' });
      }
    }
    if (method === 'POST' && noun === 'carts' && number) {
      const body = await readJson(request);
      const product = parseId(body?.['product']);
      const quantity = parseId(body?.['quantity'] ?? 1);
      if (!product || !quantity || quantity > 99) return sendJson(response, 400, { error: 'product and quantity (1 to 99) are needed' });
      if (!data.addToCart(number, product, quantity)) return sendJson(response, 404, { error: 'no such product' });
      return sendJson(response, 201, { added: product, quantity });
    }
    if (method === 'POST' && noun === 'orders' && number) {
      const requestKey = request.headers['idempotency-key'];
      const outcome = data.placeOrder(number, typeof requestKey === 'string' ? requestKey.slice(0, 100) : undefined);
      return typeof outcome === 'string' ? sendJson(response, 409, { error: outcome }) : sendJson(response, 201, outcome);
    }
    return sendJson(response, 404, { error: 'not found' });
  },
  () => data.close(),
);
