import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveService, LiveStatus } from '#gateway/live-status';
import { renderTop } from './top-view.ts';

const service: LiveService = {
  tier: 'primaries',
  requestsPerSecond: 0,
  p50Ms: 0,
  p95Ms: 0,
  p99Ms: 0,
  answers: {},
  retries: 0,
  inFlight: 3,
  held: 0,
  matches: [],
  backends: [],
};

function statusWith(services: LiveStatus['services']): LiveStatus {
  return { gateway: 'edge', revision: 2, controlConnected: true, routesAgeSeconds: 0, workers: [{ pid: 1 }], clients: 3, memoryBytes: 0, services };
}

test('services whose connections are carried as they are have a table of their own, and others none', () => {
  const tcp = { connectionsPerSecond: 2.5, bytesToBackendsPerSecond: 2_048, bytesToClientsPerSecond: 10 };
  const lines = renderTop(statusWith({ 'edge/db': { ...service, tcp }, 'edge/web': service }));
  deepEqual(
    lines.slice(-2).map((line) => line.trim().split(/ {2,}/)),
    [
      ['TCP service', 'open', 'opened/s', 'waiting', 'to backends/s', 'to clients/s'],
      ['edge/db', '3', '2.5', '0', '2Ki', '10B'],
    ],
  );
  deepEqual(
    renderTop(statusWith({ 'edge/web': service })).filter((line) => line.includes('TCP')),
    [],
  );
});

test('a terminal of 80 columns shows what fails, what is ejected and why; a wide one all in one line', () => {
  const backend = {
    id: 'web/10.20.30.40:3000',
    name: '10.20.30.40:3000',
    address: '10.20.30.40:3000',
    tier: 'primary',
    state: 'active',
    health: 'failing',
    reason: 'the check "/healthz" was answered with 503',
    inFlight: 0,
    answers: 12_345,
    failures: 7,
    ejections: 2,
  } as const;
  const status = statusWith({
    'gateway/storefront': { ...service, matches: ['shop.example.com/'], backends: [backend, { ...backend, health: 'passing', reason: '' }] },
  });
  const narrow = renderTop(status, 80);
  deepEqual(
    narrow.filter((line) => line.length > 80),
    [],
  );
  deepEqual(
    narrow.slice(-4).map((line) => line.trim().split(/ {2,}/)),
    [
      ['backend', 'service', 'health', 'in flight', 'failed', 'ejected'],
      ['10.20.30.40:3000', 'gateway/storefront', 'failing', '0', '7', '2'],
      ['the check "/healthz" was answered with 503'],
      ['10.20.30.40:3000', 'gateway/storefront', 'passing', '0', '7', '2'],
    ],
  );
  deepEqual(renderTop(status).at(-2)?.trim().split(/ {2,}/), [
    '10.20.30.40:3000',
    'gateway/storefront',
    'failing',
    '50%',
    '0',
    '12345',
    '7',
    '2',
    'the check "/healthz" was answered with 503',
  ]);
});
