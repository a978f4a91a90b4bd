import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BackendFacts, chooseTier } from './tiers.ts';

interface Named extends BackendFacts {
  readonly name: string;
}

function backend(name: string, facts: Partial<BackendFacts> = {}): Named {
  return { name, tier: 'primary', draining: false, health: 'passing', ejected: false, reachable: true, ...facts };
}

function chosen(backends: readonly Named[]): string {
  const choice = chooseTier(backends);
  return [choice.from, ...choice.backends.map(({ name }) => name)].join(' ');
}

const failing = { health: 'failing' } as const;
const dead = { health: 'failing', reachable: false } as const;
const backup = { tier: 'backup' } as const;

test('tiers are used in the order of R-21 and R-23', () => {
  const table: readonly (readonly [string, readonly Named[]])[] = [
    ['primary a b', [backend('a'), backend('b'), backend('s', backup)]],
    ['primary b', [backend('a', failing), backend('b')]],
    ['primary b', [backend('a', { ejected: true }), backend('b')]],
    // A draining backend gets nothing, whatever its health.
    ['primary b', [backend('a', { draining: true }), backend('b')]],
    ['none', [backend('a', { draining: true })]],
    ['none', []],
    // Backup before panic: too few primaries, but a backup stands by.
    ['primary a', [backend('a'), backend('b', failing), backend('c', failing), backend('s', backup)]],
    ['panic a b c', [backend('a'), backend('b', failing), backend('c', failing)]],
    ['panic a b', [backend('a'), backend('b', failing), backend('c', dead)]],
    ['primary a', [backend('a'), backend('n', { health: 'unknown' }), backend('m', { health: 'unknown' })]],
    ['unchecked n', [backend('a', failing), backend('n', { health: 'unknown' }), backend('s', backup)]],
    ['backup s', [backend('a', failing), backend('s', backup), backend('t', backup)]],
    ['backup t', [backend('a', dead), backend('s', { ...backup, ...failing }), backend('t', backup)]],
    // A single instance is never taken away by its own checks.
    ['panic a', [backend('a', failing)]],
    ['panic a', [backend('a', dead)]],
  ];
  deepEqual(
    table.map(([, backends]) => chosen(backends)),
    table.map(([expected]) => expected),
  );
});

test('whatever the health, an active backend means somebody is chosen, and never one that drains', () => {
  const facts = fc.record({
    name: fc.string(),
    tier: fc.constantFrom('primary' as const, 'backup' as const),
    draining: fc.boolean(),
    health: fc.constantFrom('unknown' as const, 'passing' as const, 'failing' as const),
    ejected: fc.boolean(),
    reachable: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(facts, { maxLength: 8 }), (backends) => {
      const choice = chooseTier(backends);
      const anyActive = backends.some(({ draining }) => !draining);
      return choice.backends.length > 0 === anyActive && choice.backends.every(({ draining }) => !draining);
    }),
  );
});
