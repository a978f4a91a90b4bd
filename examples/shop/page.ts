import type { Product } from './data.ts';
import { pictureOf } from './pictures.ts';
import { STYLE } from './style.ts';

const FEW_LEFT = 20;
const euros = (cents: number) => `€${(cents / 100).toFixed(2)}`;

/** The storefront, whole: style, pictures and script inside, so that one request shows it. */
export function storefront(products: readonly Product[], served: { readonly instance: string; readonly version: string }): string {
  const cards = products.map(
    ({ id, name, priceCents, stock }) => `<li class="card">${pictureOf(id)}
<h2>${text(name)}</h2>
<p class="price">${euros(priceCents)} <small>${stock > FEW_LEFT ? 'in stock' : stock > 0 ? `${stock} left` : 'sold out'}</small></p>
<button data-product="${id}" aria-label="Add ${text(name)} to the cart"${stock > 0 ? '' : ' disabled'}>Add to cart</button></li>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>The Haven shop</title>
<link rel="icon" href="data:,"><style>${STYLE}</style></head><body>
<header><div class="wide"><h1>The Haven shop</h1><p>Good things for a quiet home.</p></div></header>
<main class="wide">
<section aria-label="Products"><ul class="products">${cards.join('\n')}</ul>${products.length === 0 ? '<p>The shelves cannot be shown right now. Please look again in a moment.</p>' : ''}</section>
<aside>
<section class="panel"><h2>Your cart</h2><ul id="lines" class="lines"></ul><p class="sum"><span id="cart">Cart is empty</span> <b id="total"></b></p>
<button class="buy" id="buy" disabled>Buy</button><p id="message" role="status"></p></section>
<section class="panel"><h2>Your orders</h2><ul id="orders" class="lines"><li>None yet</li></ul></section>
</aside>
</main>
<footer><div class="wide">Served by <b id="instance">${text(served.instance)}</b>, version <b id="version">${text(served.version)}</b></div></footer>
<script>${SCRIPT}</script></body></html>`;
}

/** Text as HTML shows it. */
function text(value: string): string {
  return value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const SCRIPT = `
const user = localStorage.user ??= 1 + Math.floor(Math.random() * 1e9);
const at = (id) => document.getElementById(id);
const euros = (cents) => '€' + (cents / 100).toFixed(2);
const row = (left, right) => {
  const item = document.createElement('li');
  for (const part of [left, right]) item.append(Object.assign(document.createElement('span'), { textContent: part }));
  return item;
};
function show({ cart, orders }) {
  const count = cart.reduce((sum, line) => sum + line.quantity, 0);
  at('lines').replaceChildren(...cart.map((line) => row(line.quantity + ' × ' + line.name, euros(line.quantity * line.priceCents))));
  at('cart').textContent = count ? count + (count === 1 ? ' item' : ' items') : 'Cart is empty';
  at('total').textContent = count ? euros(cart.reduce((sum, line) => sum + line.quantity * line.priceCents, 0)) : '';
  at('buy').disabled = count === 0;
  at('orders').replaceChildren(...(orders.length ? orders.map((order) => row('Order ' + order.id, euros(order.totalCents))) : [row('None yet', '')]));
}
async function refresh() {
  const response = await fetch('/user/' + user);
  if (response.ok) show(await response.json());
}
async function post(path, body, done) {
  const headers = { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() };
  try {
    const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
    const answer = await response.json();
    at('message').textContent = response.ok ? done(answer) : 'That did not work: ' + answer.error;
    await refresh();
  } catch {
    at('message').textContent = 'The shop did not answer. Please try again.';
  }
}
for (const button of document.querySelectorAll('[data-product]'))
  button.onclick = () => post('/cart/' + user, { product: Number(button.dataset.product) }, () => 'Added to the cart');
at('buy').onclick = () => post('/order/' + user, {}, (order) => 'Thank you! Order ' + order.id + ' is placed');
refresh();
`;
