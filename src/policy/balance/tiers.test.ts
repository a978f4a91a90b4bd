import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BackendFacts, chooseTier, DEFAULT_TIERS, type TierOptions } from './tiers.ts';

interface Named extends BackendFacts {
  readonly name: string;
}

function backend(name: string, facts: Partial<BackendFacts> = {}): Named {
  return { name, tier: 'primary', draining: false, health: 'passing', ejected: false, reachable: true, ...facts };
}

function chosen(backends: readonly Named[], options: Partial<TierOptions> = {}): string {
  const choice = chooseTier(backends, { ...DEFAULT_TIERS, ...options });
  return [choice.from, ...choice.backends.map(({ name }) => name)].join(' ');
}

const failing = { health: 'failing' } as const;
const dead = { health: 'failing', reachable: false } as const;
const backup = { tier: 'backup' } as const;
const draining = { draining: true } as const;

test('tiers are used in the order of R-21 to R-23; too few healthy means all, and a single one is kept (H6)', () => {
  const table: readonly (readonly [string, readonly Named[], Partial<TierOptions>?])[] = [
    ['primary a b', [backend('a'), backend('b'), backend('s', backup)]],
    ['primary b', [backend('a', failing), backend('b')]],
    ['primary b', [backend('a', { ejected: true }), backend('b')]],
    // A draining backend gets nothing, whatever its health.
    ['primary b', [backend('a', draining), backend('b')]],
    ['none', [backend('a', draining)]],
    ['none', []],
    // Backup before panic: too few primaries, but a backup stands by.
    ['primary a', [backend('a'), backend('b', failing), backend('c', failing), backend('s', backup)]],
    ['panic a b c', [backend('a'), backend('b', failing), backend('c', failing)]],
    ['panic a b', [backend('a'), backend('b', failing), backend('c', dead)]],
    ['panic b', [backend('a', dead), backend('b', failing)]],
    ['panic a b', [backend('a', dead), backend('b', dead)]],
    ['primary a', [backend('a'), backend('n', { health: 'unknown' }), backend('m', { health: 'unknown' })]],
    ['unchecked n', [backend('a', failing), backend('n', { health: 'unknown' }), backend('s', backup)]],
    ['backup s', [backend('a', failing), backend('s', backup), backend('t', backup)]],
    ['backup t', [backend('a', dead), backend('s', { ...backup, ...failing }), backend('t', backup)]],
    // A single instance is never taken away by its own checks.
    ['single a', [backend('a', failing)]],
    ['single a', [backend('a', dead), backend('b', draining)]],
    // The share at which panic begins is the service's; 0 turns it off.
    ['primary a', [backend('a'), backend('b', failing), backend('c', failing)], { panicShare: 0.3 }],
    ['panic a b', [backend('a'), backend('b', failing)], { panicShare: 0.8 }],
    ['primary a', [backend('a'), backend('b', failing), backend('c', failing)], { panicShare: 0 }],
    ['none', [backend('a', failing), backend('b', failing)], { panicShare: 0 }],
    ['single a', [backend('a', failing)], { panicShare: 0 }],
    // All backups instead of the first.
    ['backup s t', [backend('a', failing), backend('s', backup), backend('t', backup)], { allBackups: true }],
    ['primary a', [backend('a'), backend('s', backup), backend('t', backup)], { allBackups: true }],
    // Those that drain but serve are better than nobody and than those known to be ill, and worse than everybody else.
    ['draining d', [backend('d', draining)], { usesDraining: true }],
    ['draining d', [backend('a', failing), backend('b', dead), backend('d', draining)], { usesDraining: true }],
    ['draining d', [backend('a', failing), backend('d', draining), backend('e', { ...draining, ...failing })], { usesDraining: true }],
    ['unchecked n', [backend('n', { health: 'unknown' }), backend('d', draining)], { usesDraining: true }],
    ['backup s', [backend('s', backup), backend('d', draining)], { usesDraining: true }],
    ['primary a', [backend('a'), backend('d', draining)], { usesDraining: true }],
  ];
  deepEqual(
    table.map(([, backends, options]) => chosen(backends, options)),
    table.map(([expected]) => expected),
  );
});

test('whatever the health, an active backend means somebody is chosen, and never one that drains, unless the service says otherwise', () => {
  const facts = fc.record({
    name: fc.string(),
    tier: fc.constantFrom('primary' as const, 'backup' as const),
    draining: fc.boolean(),
    health: fc.constantFrom('unknown' as const, 'passing' as const, 'failing' as const),
    ejected: fc.boolean(),
    reachable: fc.boolean(),
  });
  const options = fc.record({ panicShare: fc.constantFrom(0.1, 0.5, 1), allBackups: fc.boolean(), usesDraining: fc.boolean() });
  fc.assert(
    fc.property(fc.array(facts, { maxLength: 8 }), options, (backends, tiers) => {
      const choice = chooseTier(backends, tiers);
      const anyActive = backends.some((one) => !one.draining);
      const usesThoseThatDrain = choice.from === 'draining';
      if (usesThoseThatDrain && !tiers.usesDraining) return false;
      return (choice.backends.length > 0 || !anyActive) && choice.backends.every((one) => one.draining === usesThoseThatDrain);
    }),
  );
});
