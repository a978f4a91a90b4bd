import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import type { PlanView } from '@haven/sdk';
import { renderPlan } from './plan-view.ts';

const plan: PlanView = {
  app: 'shop',
  revision: 5,
  change: 'update',
  warnings: [],
  services: [
    {
      service: 'web',
      change: 'replace',
      count: { from: 2, to: 3 },
      differences: [
        { path: 'run.command', from: ['node', 'a.js'], to: ['node', 'b.js'], replaces: true },
        { path: 'environment.A', to: '1', replaces: true },
        { path: 'count', from: 2, to: 3, replaces: false },
      ],
      placements: [
        { instance: 'web.1', node: 'worker-1', reason: 'fewest instances of web' },
        { instance: 'web.2', reason: 'worker-1 lacks 64Mi of memory; worker-2 is cordoned' },
      ],
    },
    { service: 'api', change: 'none', count: { from: 1, to: 1 }, differences: [], placements: [] },
    { service: 'old', change: 'remove', count: { from: 2, to: 0 }, differences: [], placements: [] },
  ],
};

test('a plan says what is replaced, what changes in place, what goes, and where new instances find a node or why not', () => {
  deepEqual(renderPlan(plan), [
    '~ shop',
    '  ~ web: replaces its instances, one after the other, 2 → 3 instances',
    '      ~ run.command: ["node","a.js"] → ["node","b.js"] (replaces)',
    '      + environment.A: "1" (replaces)',
    '      ~ count: 2 → 3 (in place)',
    '      → web.1 on worker-1: fewest instances of web',
    '      ! web.2 finds no node: worker-1 lacks 64Mi of memory; worker-2 is cordoned',
    '  - old: removed with its instances (2)',
    '',
    'Plan: 1 service replaced, 1 service removed; 1 instance cannot be placed',
  ]);
});

test('a plan without changes says so', () => {
  deepEqual(renderPlan({ ...plan, change: 'none' }), ['shop: nothing to change']);
});
