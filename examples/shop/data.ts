import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export interface Product {
  readonly id: number;
  readonly name: string;
  readonly priceCents: number;
  readonly stock: number;
}

export interface Order {
  readonly id: number;
  readonly user: number;
  readonly totalCents: number;
  readonly lines: readonly { readonly product: number; readonly quantity: number }[];
}

const PRODUCTS: readonly (readonly [string, number])[] = [
  ['Enamel mug', 1_400],
  ['Wool blanket', 8_900],
  ['Desk lamp', 5_600],
  ['Field notebook', 900],
  ['Cast-iron pan', 6_200],
  ['Canvas bag', 3_300],
  ['Bicycle bell', 1_900],
  ['Tea kettle', 4_800],
];
const FIRST_STOCK = 1_000_000;

/** The shop's records in one SQLite file, which the active and the standby API share: whichever answers sees every order. */
export class ShopData {
  readonly #database: DatabaseSync;

  constructor(directory = process.env['SHOP_DATA'] ?? join(tmpdir(), `haven-shop-${process.getuid?.() ?? 0}`)) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#database = new DatabaseSync(join(directory, 'shop.sqlite'));
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA busy_timeout = 2000;
      CREATE TABLE IF NOT EXISTS products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, priceCents INTEGER NOT NULL, stock INTEGER NOT NULL CHECK (stock >= 0));
      CREATE TABLE IF NOT EXISTS carts (user INTEGER, product INTEGER, quantity INTEGER NOT NULL, PRIMARY KEY (user, product)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, user INTEGER NOT NULL, totalCents INTEGER NOT NULL, lines TEXT NOT NULL, requestKey TEXT UNIQUE);
    `);
    const insert = this.#database.prepare('INSERT OR IGNORE INTO products VALUES (?, ?, ?, ?)');
    PRODUCTS.forEach(([name, priceCents], index) => {
      insert.run(index + 1, name, priceCents, FIRST_STOCK);
    });
  }

  products(): Product[] {
    return this.#database.prepare('SELECT id, name, priceCents, stock FROM products ORDER BY id').all() as unknown as Product[];
  }

  cart(user: number): { product: number; name: string; quantity: number; priceCents: number }[] {
    return this.#database
      .prepare('SELECT product, name, quantity, priceCents FROM carts JOIN products ON products.id = product WHERE user = ? ORDER BY product')
      .all(user) as unknown as { product: number; name: string; quantity: number; priceCents: number }[];
  }

  /** False if there is no such product. */
  addToCart(user: number, product: number, quantity: number): boolean {
    return (
      this.#database
        .prepare(
          'INSERT INTO carts SELECT ?, id, ? FROM products WHERE id = ? ON CONFLICT (user, product) DO UPDATE SET quantity = min(99, quantity + excluded.quantity)',
        )
        .run(user, quantity, product).changes === 1
    );
  }

  order(id: number): Order | undefined {
    const row = this.#database.prepare('SELECT id, user, totalCents, lines FROM orders WHERE id = ?').get(id) as
      | (Omit<Order, 'lines'> & { lines: string })
      | undefined;
    return row && { ...row, lines: JSON.parse(row.lines) as Order['lines'] };
  }

  ordersOf(user: number): { id: number; totalCents: number }[] {
    return this.#database.prepare('SELECT id, totalCents FROM orders WHERE user = ? ORDER BY id DESC LIMIT 10').all(user) as unknown as {
      id: number;
      totalCents: number;
    }[];
  }

  /** Turns the user's cart into an order and takes the stock, or says why not. The same `requestKey` gives the same order, never a second one. */
  placeOrder(user: number, requestKey: string | undefined): Order | 'empty cart' | 'out of stock' {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const outcome = this.#placeOrder(user, requestKey);
      this.#database.exec('COMMIT');
      return outcome;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      if (error instanceof Error && error.message.includes('CHECK constraint')) return 'out of stock';
      throw error;
    }
  }

  #placeOrder(user: number, requestKey: string | undefined): Order | 'empty cart' {
    if (requestKey !== undefined) {
      const earlier = this.#database.prepare('SELECT id FROM orders WHERE requestKey = ?').get(requestKey) as { id: number } | undefined;
      if (earlier) return this.order(earlier.id) as Order;
    }
    const lines = this.cart(user);
    if (lines.length === 0) return 'empty cart';
    const takeStock = this.#database.prepare('UPDATE products SET stock = stock - ? WHERE id = ?');
    for (const { product, quantity } of lines) takeStock.run(quantity, product);
    const totalCents = lines.reduce((sum, line) => sum + line.quantity * line.priceCents, 0);
    const orderLines = lines.map(({ product, quantity }) => ({ product, quantity }));
    const { lastInsertRowid } = this.#database
      .prepare('INSERT INTO orders (user, totalCents, lines, requestKey) VALUES (?, ?, ?, ?)')
      .run(user, totalCents, JSON.stringify(orderLines), requestKey ?? null);
    this.#database.prepare('DELETE FROM carts WHERE user = ?').run(user);
    return { id: Number(lastInsertRowid), user, totalCents, lines: orderLines };
  }

  close(): void {
    this.#database.close();
  }
}
