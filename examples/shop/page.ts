import type { Product } from './data.ts';

const euros = (cents: number) => `€${(cents / 100).toFixed(2)}`;

/** The storefront, whole: style and script inside, so that one request shows it. */
export function storefront(products: readonly Product[], served: { readonly instance: string; readonly version: string }): string {
  const cards = products
    .map(
      ({ id, name, priceCents, stock }) => `
      <li><h2>${name}</h2><p><b>${euros(priceCents)}</b> <small>${stock.toLocaleString('en')} in stock</small></p>
      <button data-product="${id}">Add to cart</button></li>`,
    )
    .join('');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>The Haven shop</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --line: light-dark(#ddd, #444); --accent: light-dark(#0a6e5c, #4cc9ad); }
  body { max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
  header, footer { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; flex-wrap: wrap; }
  ul { list-style: none; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); gap: 1rem; }
  li { border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; } h2 { font-size: 1.05rem; margin: 0; } p { margin: .4rem 0 .8rem; }
  button { font: inherit; padding: .35rem .8rem; border-radius: .4rem; border: 1px solid var(--accent); background: none; color: var(--accent); cursor: pointer; }
  button.buy { background: var(--accent); color: light-dark(#fff, #06231d); } small, footer { opacity: .7; } footer { border-top: 1px solid var(--line); padding-top: 1rem; }
</style></head><body>
<header><h1>The Haven shop</h1><span><output id="cart">Cart is empty</output> <button class="buy" id="buy">Buy</button></span></header>
<ul>${cards}</ul>
<footer><span>Served by <b id="instance">${served.instance}</b>, version <b id="version">${served.version}</b></span><output id="message"></output></footer>
<script>
  const user = localStorage.user ??= 1 + Math.floor(Math.random() * 1e9);
  const show = (id, text) => document.getElementById(id).textContent = text;
  async function refresh() {
    const { cart } = await (await fetch('/user/' + user)).json();
    const count = cart.reduce((sum, line) => sum + line.quantity, 0);
    show('cart', count ? count + (count === 1 ? ' item' : ' items') + ' in the cart' : 'Cart is empty');
  }
  async function post(path, body) {
    const response = await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() }, body: JSON.stringify(body) });
    const answer = await response.json();
    show('message', response.ok ? (answer.id ? 'Order ' + answer.id + ' is placed' : 'Added') : answer.error);
    await refresh();
  }
  for (const button of document.querySelectorAll('[data-product]')) button.onclick = () => post('/cart/' + user, { product: Number(button.dataset.product) });
  document.getElementById('buy').onclick = () => post('/order/' + user, {});
  refresh();
</script></body></html>`;
}
