import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLaw } from '../laws.ts';
import { meanResponseFifo, meanResponsePredicted, meanResponseSharing, meanResponseTurns } from './theory.ts';

const isClose = (value: number | undefined, expected: number, part = 1e-3): void =>
  assert.ok(value !== undefined && Math.abs(value / expected - 1) < part, `${value} against ${expected}`);

test('first come first served and equal sharing have their textbook means', () => {
  isClose(meanResponseFifo(parseLaw('exp?mean=1'), 0.8), 5);
  isClose(meanResponseFifo(parseLaw('det?mean=1'), 0.8), 3);
  isClose(meanResponseFifo(parseLaw('h2?mean=1&scv=10'), 0.8), 23);
  isClose(meanResponseFifo(parseLaw('bpareto?low=1&high=1000&alpha=1.5'), 0.8), 66.151);
  isClose(meanResponseSharing(parseLaw('h2?mean=1&scv=10'), 0.8), 5);
});

test('turns with overhead follow the exact formula, and are unstable where switching eats the worker', () => {
  const turns = (quantum: number, overhead: number): number | undefined => meanResponseTurns({ rate: 0.8, mean: 1, quantum, overhead });
  isClose(turns(0.1, 0), 5);
  isClose(turns(0.1, 0.01), 9.493);
  isClose(turns(0.1, 0.02), 37.66);
  assert.equal(turns(0.1, 0.05), undefined);
  isClose(turns(0.25, 0.05), 62.6);
  isClose(turns(1, 0.02), 5.844);
  isClose(turns(2, 0.05), 6.666);
});

test('shortest predicted job first with exponential predictions agrees with published integrals', () => {
  isClose(meanResponsePredicted(0.5), 1.794814492, 2e-3);
  isClose(meanResponsePredicted(0.98), 16.95017442, 2e-2);
});
