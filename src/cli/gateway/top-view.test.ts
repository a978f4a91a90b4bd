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
