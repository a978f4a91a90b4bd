import { describe } from 'node:test';
import { leasesConformance } from './lease-conformance.ts';
import { historyConformance, readsAndWritesConformance } from './read-conformance.ts';
import type { MakeStore } from './store-under-test.ts';
import { transactionsConformance } from './transaction-conformance.ts';
import { watchesConformance } from './watch-conformance.ts';

/** Claims that hold for every store: the semantics of etcd v3 by name. Call it in a test file. */
export function storeConformance(name: string, makeStore: MakeStore): void {
  describe(`${name}: reads and writes`, () => readsAndWritesConformance(makeStore));
  describe(`${name}: transactions`, () => transactionsConformance(makeStore));
  describe(`${name}: history`, () => historyConformance(makeStore));
  describe(`${name}: watches`, () => watchesConformance(makeStore));
  describe(`${name}: leases`, () => leasesConformance(makeStore));
}
