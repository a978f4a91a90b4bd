import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Product } from './data.ts';
import { sendJson, serve } from './http.ts';
import { storefront } from './page.ts';

// A release that cannot start, for showing how a deploy reverts by itself.
if (process.env['SHOP_BROKEN'] === '1') throw new Error('SHOP_BROKEN is set: this version of the shop cannot start');

const PRODUCTS_FRESH_MS = 1_000;
const API_TIMEOUT_MS = 10_000;
const apiUrl = new URL(process.env['API_URL'] ?? 'http://127.0.0.1:3001');
const served = { instance: process.env['HAVEN_INSTANCE'] ?? 'web', version: process.env['SHOP_VERSION'] ?? '1' };
// Shorter than the other side's, so that we never send on a connection it is closing.
const agent = new Agent({ keepAlive: true, maxSockets: 64, timeout: 4_000 });

let products: readonly Product[] = [];
let productsAt = Number.NEGATIVE_INFINITY;
let page = Buffer.from(storefront(products, served));
let refreshing: Promise<void> | undefined;

/** The page with products and stock of the last second. An old one is better than none while the API changes hands; without any, it is waited for. */
async function freshPage(): Promise<Buffer> {
  if (performance.now() - productsAt > PRODUCTS_FRESH_MS) {
    productsAt = performance.now();
    refreshing = refresh().catch((error: unknown) => console.error(error));
  }
  if (products.length === 0) await refreshing;
  return page;
}

async function refresh(): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  callApi('GET', '/products', (answer) => {
    let text = '';
    answer.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    answer.on('end', () => (answer.statusCode === 200 ? resolve(text) : reject(new Error(`the API answered ${answer.statusCode}`)))).on('error', reject);
  })
    .on('error', reject)
    .end();
  products = JSON.parse(await promise) as Product[];
  page = Buffer.from(storefront(products, served));
}

function callApi(method: string, path: string, onAnswer: (answer: IncomingMessage) => void, headers: Record<string, string> = {}) {
  const call = httpRequest({ host: apiUrl.hostname, port: apiUrl.port, agent, method, path, headers, timeout: API_TIMEOUT_MS }, onAnswer);
  call.on('timeout', () => call.destroy(new Error('the API did not answer')));
  return call;
}

/** Hands the request to the API and its answer back, bodies streamed. */
function forward(request: IncomingMessage, response: ServerResponse, path: string): void {
  const headers: Record<string, string> = {};
  for (const name of ['content-type', 'content-length', 'idempotency-key']) {
    const value = request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  const call = callApi(
    request.method ?? 'GET',
    path,
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, { 'content-type': 'application/json', 'content-length': answer.headers['content-length'] ?? 0 });
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    },
    headers,
  );
  call.on('error', (error) => {
    if (response.headersSent) response.destroy();
    else sendJson(response, 502, { error: `the API is not reachable: ${error.message}` });
  });
  response.on('close', () => response.writableFinished || call.destroy());
  request.pipe(call);
}

serve(async (request, response) => {
  const { method, url = '/' } = request;
  const [, noun = '', id = ''] = url.split('/');
  if (method === 'GET' && noun === 'healthz') return sendJson(response, 200, { ok: true });
  if (method === 'GET' && noun === '') {
    const fresh = await freshPage();
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-length': fresh.length });
    response.end(fresh);
    return;
  }
  if (method === 'GET' && noun === 'user') return forward(request, response, `/users/${id}`);
  if (method === 'GET' && noun === 'order') return forward(request, response, `/orders/${id}`);
  if (method === 'GET' && noun === 'stock') return forward(request, response, '/products');
  if (method === 'POST' && noun === 'cart') return forward(request, response, `/carts/${id}`);
  if (method === 'POST' && noun === 'order') return forward(request, response, `/orders/${id}`);
  return sendJson(response, 404, { error: 'not found' });
});
