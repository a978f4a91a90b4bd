import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { parseName } from '#base/name';
import type { InstanceId } from '#model/instance';
import type { Backend as BackendConfig, Route } from '#model/route';
import { exampleLuck } from '#policy/balance/candidate-fixture';
import { newAdmitted } from './admission.ts';
import { Backend, backendKey } from './backend.ts';
import { Service } from './service.ts';

const app = parseName('shop', 'an app');
const web = parseName('web', 'a service');

function config(name: string, changes: Partial<BackendConfig> = {}): BackendConfig {
  const id = `shop.web.${name}` as InstanceId;
  return { id, name, attempt: 1, address: { host: '127.0.0.1', port: 1 }, weight: 1, tier: 'primary', state: 'active', ...changes };
}

function route(backends: readonly BackendConfig[], changes: Partial<Route> = {}): Route {
  return { app, service: web, matches: [], balance: 'round-robin', backends, ...changes };
}

/** A service whose backends have passed their checks, and the moment it takes for now: tests move it. */
class Served {
  readonly service = new Service('shop/web', exampleLuck(3), () => {
    this.timesWoken++;
  });
  readonly backends = new Map<string, Backend>();
  now = 1_000;
  timesWoken = 0;

  constructor(names: string, changes: Partial<Route> = {}) {
    this.configure(
      route(
        [...names].map((name) => config(name)),
        changes,
      ),
    );
    for (const backend of this.backends.values()) backend.health = 'passing';
    this.service.refresh();
  }

  configure(next: Route): void {
    for (const one of next.backends) {
      const known = this.backends.get(backendKey(one));
      if (known === undefined) this.backends.set(backendKey(one), new Backend(one));
      else known.update(one);
    }
    this.service.configure(next, this.backends);
  }

  backend(name: string): Backend {
    return this.backends.get(`shop.web.${name}#1`) as Backend;
  }

  answer(name: string, status: number, how: { readonly answerMs?: number; readonly closes?: boolean; readonly times?: number } = {}): void {
    const { answerMs = 20, closes = false, times = 1 } = how;
    for (let i = 0; i < times; i++) {
      this.backend(name).answered(this.now, answerMs, status);
      this.service.backendAnswered(this.backend(name), { status, answerMs, closes }, this.now);
    }
  }

  /** Who gets the next requests: each name once, in order of the alphabet. */
  gets(options: { readonly cookie?: string; readonly mayRepeat?: boolean } = {}): string {
    const who = { ...newAdmitted('10.0.0.1'), stickyToken: options.cookie ?? '', mayRepeat: options.mayRepeat ?? true };
    const names = Array.from({ length: 12 }, () => this.service.pickFor(undefined, this.now, who)?.name ?? '-');
    return [...new Set(names)].sort().join('');
  }
}

test('ten plain errors in a row take a backend out, nine do not, and a good answer between them begins anew (R-20)', () => {
  const served = new Served('abc');
  served.answer('a', 500, { times: 9 });
  served.answer('a', 200);
  served.answer('a', 500, { times: 9 });
  equal(served.gets(), 'abc');
  served.answer('a', 500);
  equal(served.gets(), 'bc');
  deepEqual(served.backend('a').ejections, { failures: 0, errors: 1, slow: 0, silent: 0 });
});

test('an ejected backend is tried by one request that may be repeated, and by any other only when none comes (R-20)', () => {
  const served = new Served('abc', { slowStartMs: 0 });
  served.answer('a', 502, { times: 5 });
  served.now += 12_100;
  equal(served.gets({ mayRepeat: false }), 'bc');
  equal(served.service.pickFor(undefined, served.now, { ...newAdmitted(''), mayRepeat: true })?.name, 'a');
  equal(served.gets(), 'bc', 'one probe at a time');
  served.answer('a', 502);
  served.now += 12_000;
  equal(served.gets(), 'bc', 'a failed probe: out for twice as long');
  served.now += 17_100;
  equal(served.gets({ mayRepeat: false }), 'abc', 'nothing else came for a while');
  served.answer('a', 200);
  equal(served.gets(), 'abc');
  equal(served.backend('a').ejection.timesEjected, 0);
});

test('no request tries an ejected backend that fails its checks, and none a backup while primaries serve (R-20, R-23)', () => {
  const served = new Served('abc', { slowStartMs: 0 });
  served.answer('a', 502, { times: 5 });
  served.backend('a').health = 'failing';
  served.service.refresh();
  served.now += 60_000;
  equal(served.gets(), 'bc', 'its checks say that it would fail');
  served.backend('a').health = 'passing';
  served.service.refresh();
  equal(served.gets(), 'abc', 'an open port is a reason to try');
  const withBackup = [config('a'), config('b'), config('c', { tier: 'backup' })];
  served.configure(route(withBackup, { slowStartMs: 0 }));
  served.answer('a', 200);
  served.answer('c', 502, { times: 5 });
  served.now += 60_000;
  equal(served.gets(), 'ab');
  for (const name of 'ab') served.backend(name).health = 'failing';
  served.service.refresh();
  ok(served.gets().includes('c'), 'it is tried when it is needed');
});

test('one that says it is about to go is left alone without a failure, but never more than half of them (R-20)', () => {
  const served = new Served('abc');
  served.answer('a', 503, { closes: true });
  equal(served.gets(), 'bc');
  served.answer('b', 503, { closes: true });
  equal(served.gets(), 'bc', 'half of three is one');
  deepEqual([served.backend('a').failures, served.backend('a').departures, served.backend('b').failures], [0, 1, 1]);
  served.now += 5_100;
  ok(served.service.sweep(served.now));
  equal(served.gets(), 'abc');
});

test('one that answers everything far slower than its peers is taken out, and comes back with a probe that is quick', () => {
  const served = new Served('abc', { slowStartMs: 0 });
  const second = (slowMs: number) => {
    served.answer('a', 200, { answerMs: slowMs, times: 150 });
    for (const name of ['b', 'c']) served.answer(name, 200, { answerMs: 20, times: 150 });
    served.now += 250;
    served.service.sweep(served.now);
  };
  second(20);
  equal(served.gets(), 'abc');
  second(220);
  equal(served.gets(), 'bc');
  equal(served.backend('a').ejections.slow, 1);
  served.now += 12_100;
  equal(served.gets(), 'abc');
  served.answer('a', 200, { answerMs: 220 });
  equal(served.gets(), 'bc', 'its probe was slow: out again');
  served.now += 24_100;
  equal(served.gets(), 'abc');
  served.answer('a', 200, { answerMs: 20 });
  equal(served.backend('a').ejection.ejectedUntil, 0);
});

test('all that slow down together are left alone, and so is one with some slow answers beside quick ones', () => {
  const served = new Served('abc');
  const second = (times: readonly (readonly [name: string, answerMs: number, count: number])[]) => {
    for (const [name, answerMs, count] of times) served.answer(name, 200, { answerMs, times: count });
    served.now += 250;
    return served.service.sweep(served.now);
  };
  for (let i = 0; i < 8; i++)
    equal(
      second([
        ['a', 400, 150],
        ['b', 380, 150],
        ['c', 410, 150],
      ]),
      false,
    );
  for (let i = 0; i < 8; i++)
    equal(
      second([
        ['a', 900, 100],
        ['a', 20, 60],
        ['b', 20, 150],
        ['c', 20, 150],
      ]),
      false,
    );
  equal(served.gets(), 'abc');
});

test('settings change live: ejection, panic, backups', () => {
  const served = new Served('abc');
  const backends = [...'abc'].map((name) => config(name));
  served.configure(route(backends, { settings: { ejection: { failures: 1, baseMs: 3_000 } } }));
  served.answer('a', 502);
  equal(served.gets(), 'bc');
  served.configure(route(backends, { settings: { ejection: { failures: 0 } } }));
  served.answer('b', 502, { times: 50 });
  equal(served.gets(), 'bc');
  served.backend('b').health = 'failing';
  served.service.refresh();
  equal([served.gets(), served.service.tier].join(' '), 'abc panic');
  equal(served.service.counts.panics, 1);
  served.configure(route(backends, { settings: { panicShare: 0 } }));
  equal([served.gets(), served.service.tier].join(' '), 'c primary');
  served.configure(
    route([...backends.slice(0, 1), config('b', { tier: 'backup' }), config('c', { tier: 'backup' })], { slowStartMs: 0, settings: { allBackups: true } }),
  );
  served.backend('b').health = 'passing';
  served.service.refresh();
  equal([served.gets(), served.service.tier].join(' '), 'bc backup');
});

test('a bound client stays with a backend that drains for a while, is then bound to another, and new clients never come (R-26)', () => {
  const settings = { stickyDrainMs: 15_000 };
  const served = new Served('abc', { balance: 'sticky', settings });
  const cookie = served.backend('b').stickyToken;
  equal(served.gets({ cookie }), 'b');
  const draining = [config('a'), config('b', { state: 'draining' }), config('c')];
  served.configure(route(draining, { balance: 'sticky', settings }));
  served.backend('b').drainingSince = served.now;
  equal([served.gets({ cookie }), served.gets()].join(' '), 'b ac');
  served.backend('b').health = 'failing';
  equal(served.gets({ cookie }), 'ac', 'rather another than one that is ill');
  served.backend('b').health = 'passing';
  served.now += 15_001;
  equal(served.gets({ cookie }), 'ac');
  served.configure(route(draining, { balance: 'sticky' }));
  equal(served.gets({ cookie }), 'ac', 'without the setting at once');
});

test('who drains serves when nobody else can, only where the service says so', () => {
  const served = new Served('ab');
  const draining = [config('a', { state: 'draining' }), config('b', { state: 'draining' })];
  served.configure(route(draining));
  equal([served.gets(), served.service.tier].join(' '), '- none');
  served.configure(route(draining, { settings: { usesDraining: true } }));
  equal([served.gets(), served.service.tier].join(' '), 'ab draining');
});

test('an HTTP check that passes again ends an ejection; the weight then grows from a tenth', () => {
  const served = new Served('abc');
  const a = served.backend('a');
  served.answer('a', 502, { times: 5 });
  a.health = 'failing';
  served.service.refresh();
  a.recovered();
  a.health = 'passing';
  served.service.refresh();
  equal(a.ejection.ejectedUntil, 0);
  ok(a.weight < 0.2, String(a.weight));
});

test('with too few usable, those that are silent get nothing as long as anybody answers (R-21)', () => {
  const served = new Served('abc');
  served.backend('a').suspicion = 'silent';
  served.backend('b').suspicion = 'asked';
  served.backend('c').suspicion = 'asked';
  served.service.refresh();
  equal([served.gets(), served.service.tier].join(' '), 'bc panic');
});

test('a service is awake while anything of it may change with time: then it is swept, else it rests until the next request or change', () => {
  const served = new Served('ab', { slowStartMs: 0 });
  const { service } = served;
  const rests = () => service.rest(served.now);
  const wakes = (change: () => void) => {
    served.now += 60_000;
    ok(rests() && !service.isAwake, 'it rests before');
    const before = served.timesWoken;
    change();
    ok(service.isAwake);
    equal(served.timesWoken, before + 1, 'told once');
  };
  const a = served.backend('a');

  wakes(() => service.entered());
  equal(rests(), false, 'a request is in flight');
  service.left();
  served.answer('a', 200);
  served.now += 10_000;
  equal(rests(), false, 'how quickly it answered is still known');

  wakes(() => {
    a.suspicion = 'silent';
    service.refresh();
  });
  served.now += 60_000;
  equal(rests(), false, 'one is silent');
  a.suspicion = 'none';
  service.refresh();

  wakes(() => served.configure(route([config('a'), config('b', { state: 'draining' })], { slowStartMs: 0 })));
  served.now += 60_000;
  equal(rests(), false, 'one drains');
  served.configure(route([config('a'), config('b')], { slowStartMs: 0 }));

  wakes(() => {
    a.idle.push({ close: () => undefined } as (typeof a.idle)[number]);
    service.refresh();
  });
  served.now += 60_000;
  equal(rests(), false, 'a connection is kept');
  a.closeIdle();

  served.configure(route([config('a'), config('b')]));
  wakes(() => {
    for (const backend of [a, served.backend('b')]) backend.health = 'failing';
    service.refresh();
    a.health = 'passing';
    service.refresh();
  });
  equal(rests(), false, 'its weight grows');
});
