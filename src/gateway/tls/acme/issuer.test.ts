import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { Simulation } from '#world/simulated/simulation';
import type { UnixMs, World } from '#world/world';
import { issueCertificate, makeAuthority } from '../issuing.ts';
import { readCertificate } from '../read-certificate.ts';
import type { ServedCertificate } from '../tls-settings.ts';
import { acmeError } from './acme-problem.ts';
import type { WantedCertificates } from './issued-name.ts';
import { Issuer } from './issuer.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Tried {
  readonly name: string;
  readonly atMs: number;
}

/** A gateway's host in virtual time, and what its issuer asks of an authority. */
class Site {
  readonly simulation = new Simulation({ seed: 1, drain });
  readonly tried: Tried[] = [];
  readonly served: (readonly string[])[] = [];
  orderMs = 1_000;
  /** What the authority does with an order. */
  answer: (name: string) => ServedCertificate = () => {
    throw acmeError('order', { type: 'unauthorized', detail: 'not yours' }, { status: 403 });
  };

  get host() {
    return this.simulation.host('gateway');
  }

  get triedHours(): readonly number[] {
    return this.tried.map(({ atMs }) => Math.round((10 * atMs) / hourMs) / 10);
  }

  /** Called when an order begins. */
  onOrder: () => void = () => undefined;

  /** An issuer on the running incarnation of the host, which orders already. */
  async start(names: readonly string[]): Promise<Issuer> {
    return await this.simulation.complete(this.begin(names));
  }

  /** The same among other things that happen. */
  async begin(names: readonly string[]): Promise<Issuer> {
    const { world } = this.host;
    const wanted = wantedFor(names);
    const issuer: Issuer = new Issuer(world, {
      folder: '/acme',
      present: async () => undefined,
      onChange: () => this.served.push(issuer.certificatesFor(wanted).map(({ names: [name = ''] }) => name)),
      order: async (_world, _client, { name, signal }) => {
        this.tried.push({ name, atMs: this.simulation.nowMs });
        this.onOrder();
        await world.clock.sleep(this.orderMs, signal);
        return this.answer(name);
      },
    });
    await issuer.configure([wanted]);
    issuer.start();
    return issuer;
  }

  async runFor(ms: number): Promise<void> {
    await this.simulation.run({ untilMs: this.simulation.nowMs + ms });
  }
}

function wantedFor(names: readonly string[]): WantedCertificates {
  return { names, challenge: 'http-01', directory: 'https://ca.test/dir', ca: undefined, email: undefined };
}

/** A real certificate: what is kept is read and checked. */
async function certificate(world: World, name: string, days: number): Promise<ServedCertificate> {
  const from = world.clock.wall();
  const validity = { from, to: (from + days * dayMs) as UnixMs };
  const { chain, key } = await issueCertificate(await makeAuthority('test', validity), { names: [name] }, validity);
  return readCertificate(chain, key);
}

test('a host that cannot be proven is tried ever more rarely, a dozen times in the first day and once a day after it', async () => {
  const site = new Site();
  const issuer = await site.start(['a.test']);
  await site.runFor(dayMs);
  ok(site.tried.length >= 10 && site.tried.length <= 12, `${site.triedHours}`);
  await site.runFor(10 * dayMs);
  ok(site.tried.length >= 18 && site.tried.length <= 26, `${site.triedHours}`);
  equal(issuer.orders.get('refused'), site.tried.length);
  deepEqual(site.served, []);
});

test('a gateway that ends at every order, by a power cut even, makes no more orders for that (I1)', async () => {
  const site = new Site();
  site.orderMs = 10 * minuteMs;
  for (let i = 0; i < 60; i++) {
    await site.start(['a.test']);
    await site.runFor(minuteMs);
    site.host.restart();
  }
  ok(site.tried.length >= 5 && site.tried.length <= 8, `${site.triedHours}`);
});

test('nothing is ordered that could not be kept: a full disk costs no order, and what is served stays (I1)', async () => {
  const site = new Site();
  const held = await certificate(site.host.world, 'a.test', 30);
  site.answer = () => held;
  const issuer = await site.start(['a.test']);
  await site.runFor(minuteMs);
  equal(site.tried.length, 1);
  site.host.drive.conditions = { ...site.host.drive.conditions, capacityBytes: 10 };
  await site.runFor(22 * dayMs);
  equal(site.tried.length, 1);
  ok((issuer.orders.get('failed') ?? 0) > 5);
  deepEqual(
    issuer.certificatesFor(wantedFor(['a.test'])).map(({ chain }) => chain),
    [held.chain],
  );
});

test('a certificate is served until it expires and not longer, also if none comes after it (I2); after a restart too', async () => {
  const site = new Site();
  const held = await certificate(site.host.world, 'a.test', 30);
  site.answer = () => held;
  await site.start(['a.test']);
  await site.runFor(minuteMs);
  deepEqual(site.served, [['a.test']]);
  site.answer = () => {
    throw acmeError('order', { type: '', detail: 'down' }, { status: 503 });
  };
  await site.runFor(10 * dayMs);
  equal(site.tried.length, 1);
  site.host.restart();
  const issuer = await site.start(['a.test']);
  equal(issuer.certificatesFor(wantedFor(['a.test'])).length, 1);
  await site.runFor(21 * dayMs);
  deepEqual(site.served, [['a.test'], []]);
  deepEqual(issuer.certificatesFor(wantedFor(['a.test'])), []);
  const [, second] = site.tried;
  ok(second !== undefined && Math.abs(second.atMs - 20 * dayMs) < 2 * minuteMs, `${site.triedHours}`);
});

test('an authority that cannot be reached is asked for one host at a time; a limit of one host is none of the others', async () => {
  const site = new Site();
  site.answer = () => {
    throw acmeError('order', { type: '', detail: 'down' }, { status: 503 });
  };
  const names = ['a.test', 'b.test', 'c.test', 'd.test'];
  await site.start(names);
  await site.runFor(30_000);
  equal(site.tried.length, 1);
  await site.runFor(dayMs);
  ok(site.tried.length <= 12, `${site.triedHours}`);

  const other = new Site();
  const held = await certificate(other.host.world, 'x.test', 30);
  other.answer = (name) => {
    if (name !== 'a.test') return held;
    throw acmeError('order', { type: 'rateLimited', detail: 'too many' }, { status: 429, retryAfterMs: 7 * dayMs });
  };
  const issuer = await other.start(names);
  await other.runFor(5 * minuteMs);
  deepEqual(
    [...issuer.orders],
    [
      ['limited', 1],
      ['issued', 3],
    ],
  );
  // Not even because somebody reloads.
  await other.simulation.complete(issuer.configure([wantedFor(names)]));
  await other.runFor(6 * dayMs);
  equal(other.tried.length, 4);
});

test('who stops it waits for no more than the order under way, and nothing is counted as failed for that', async () => {
  const site = new Site();
  const issuer = await site.start(['a.test']);
  await site.runFor(500);
  equal(site.tried.length, 1);
  await site.simulation.complete(issuer.stop());
  ok(site.simulation.nowMs < 1_000);
  await site.runFor(dayMs);
  equal(site.tried.length, 1);
  equal(issuer.orders.size, 0);
  issuer.start();
  await site.runFor(500);
  equal(site.tried.length, 2);
});

test('processes with one folder order one at a time, and what one got is served by the others without an order (I0)', async () => {
  const site = new Site();
  const certificates = new Map<string, ServedCertificate>();
  for (const name of ['a.test', 'b.test', 'c.test']) certificates.set(name, await certificate(site.host.world, name, 30));
  let underWay = 0;
  let most = 0;
  site.answer = (name) => {
    underWay--;
    const got = certificates.get(name);
    ok(got);
    return got;
  };
  site.onOrder = () => {
    most = Math.max(most, ++underWay);
  };
  const begun = [
    ['a.test', 'b.test'],
    ['c.test', 'a.test'],
    ['b.test', 'a.test', 'c.test'],
  ].map(async (names) => await site.begin(names));
  const issuers = await site.simulation.complete(Promise.all(begun));
  await site.runFor(minuteMs);
  deepEqual(site.tried.map(({ name }) => name).sort(), ['a.test', 'b.test', 'c.test']);
  equal(most, 1);
  const counts = issuers.map((issuer) => issuer.certificatesFor(wantedFor(['a.test', 'b.test', 'c.test'])).length);
  deepEqual(counts, [2, 2, 3]);
});
