import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { DemoCluster } from '#cli/demo/demo-cluster';
import { addressesOf } from '#cli/home';
import { nodeWorld } from '#world/node/node-world';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const needsChromium = { skip: existsSync(CHROMIUM) ? false : `needs ${CHROMIUM}` };
const shop = join(import.meta.dirname, 'shop');
/** Where screenshots stay for a person to look at; else they are thrown away. */
const kept = process.env['SCREENSHOTS'];

let cluster: DemoCluster;
let url = '';

before(async () => {
  cluster = await DemoCluster.start(nodeWorld({ logLevel: 'error', logName: 'shop' }), AbortSignal.timeout(30_000));
  equal((await cluster.haven('pool', 'create', 'worker', '--nodes', '3')).exitCode, 0);
  const { exitCode, stderr } = await cluster.haven('deploy', shop, '--set', `SHOP_DATA=${join(cluster.home.directory, 'shop')}`);
  equal(exitCode, 0, stderr);
  url = `http://127.0.0.1:${addressesOf(cluster.home).gateway.port}/`;
});

after(async () => {
  await cluster[Symbol.asyncDispose]();
});

test('a visitor puts things into the cart, buys them, and sees the order', needsChromium, async () => {
  await using visit = await open({ colorScheme: 'light', width: 1200 });
  const { page, mistakes } = visit;
  equal(await page.title(), 'The Haven shop');
  equal(await page.getByRole('button', { name: 'Buy' }).isDisabled(), true);
  await page.getByRole('button', { name: 'Add Tea kettle to the cart' }).click();
  await page.getByText('1 item', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Add Enamel mug to the cart' }).click();
  await page.getByText('2 items', { exact: true }).waitFor();
  equal(await page.locator('#total').textContent(), '€62.00');
  await page.screenshot({ path: join(visit.folder, 'cart.png'), fullPage: true });
  await page.getByRole('button', { name: 'Buy' }).click();
  await page.getByText(/^Thank you! Order \d+ is placed$/).waitFor();
  match((await page.locator('#orders li').first().textContent()) ?? '', /^Order \d+€62\.00$/);
  equal(await page.locator('#cart').textContent(), 'Cart is empty');

  await page.reload();
  match((await page.locator('#orders li').filter({ hasText: 'Order' }).first().textContent()) ?? '', /€62\.00/);
  deepEqual(mistakes, []);
});

test('all three instances serve the page in turn', async () => {
  const served = new Set<string>();
  for (let visit = 0; visit < 12; visit++) served.add(/id="instance">([^<]+)/.exec(await (await fetch(url)).text())?.[1] ?? 'nobody');
  deepEqual([...served].map((name) => name.replace(/^.*(web[.-]\d).*$/, '$1')).sort(), ['web.1', 'web.2', 'web.3']);
});

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [400, 1200]) {
    test(`the page fits into ${width} px, ${colorScheme}`, needsChromium, async () => {
      await using visit = await open({ colorScheme, width });
      await visit.page.screenshot({ path: join(visit.folder, `${colorScheme}-${width}.png`), fullPage: true });
      equal(await visit.page.evaluate('document.documentElement.scrollWidth'), width);
      const background = String(await visit.page.evaluate('getComputedStyle(document.body).backgroundColor'));
      const [brightness = 0] = /\d+/.exec(background)?.map(Number) ?? [];
      equal(brightness > 128, colorScheme === 'light', background);
    });
  }
}

test('the load script browses and buys, with a line for each second and a summary', async () => {
  const { code, stdout } = await load('--rate', '60', '--seconds', '2', '--url', url);
  equal(code, 0, stdout);
  match(stdout, /^60 requests\/s to http:\/\/127\.0\.0\.1:\d+ for 2 s/);
  match(stdout, /\n {3}1 s {2,}\d+ requests {2,}0 failed {2}p50 +\d+\.\d ms {2}p95/);
  match(stdout, /\n120 requests in \d+\.\d s, 0 failed, [1-9]\d* orders placed\n/);
});

test('the load script says what is wrong with an option, and that nobody answered', async () => {
  const wrong = await load('--rate', 'fast');
  deepEqual([wrong.code, /--rate fast is not a number/.test(wrong.stderr)], [2, true]);
  const alone = await load('--rate', '5', '--seconds', '1', '--url', 'http://127.0.0.1:9');
  equal(alone.code, 1);
  match(alone.stdout, /5 × .*ECONNREFUSED/);
});

interface Visit extends AsyncDisposable {
  readonly page: Page;
  /** What the browser complained about. */
  readonly mistakes: readonly string[];
  readonly folder: string;
}

async function open(options: { readonly colorScheme: 'light' | 'dark'; readonly width: number }): Promise<Visit> {
  const scratch = await mkdtemp(join(tmpdir(), 'haven-shop-page-'));
  const context = await chromium.launchPersistentContext(join(scratch, 'profile'), {
    executablePath: CHROMIUM,
    args: FLAGS,
    colorScheme: options.colorScheme,
    viewport: { width: options.width, height: 800 },
  });
  const page = await context.newPage();
  const mistakes: string[] = [];
  page.on('pageerror', (error) => mistakes.push(error.message));
  page.on('console', (message) => void (message.type() === 'error' && mistakes.push(message.text())));
  ok((await page.goto(url))?.ok());
  return {
    page,
    mistakes,
    folder: kept ?? scratch,
    async [Symbol.asyncDispose]() {
      await context.close();
      const browser: Browser | null = context.browser();
      await browser?.close();
      await rm(scratch, { recursive: true, force: true });
    },
  };
}

async function load(...args: readonly string[]): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [join(shop, 'load.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  }
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.on('close', resolve);
  return { code: await promise, ...output };
}
