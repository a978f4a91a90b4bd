import { defineApp } from '@haven/sdk';

/** The shop: a storefront in three copies behind round robin, and an API of which one copy works while the other stands by. */
export default defineApp({
  name: 'shop',
  web: {
    run: { process: 'node web.ts' },
    port: 3000,
    count: 3,
    health: '/healthz',
    resources: { cpu: 0.1, memory: '128Mi' },
    update: { minHealthy: '1s' },
    stop: { drain: '10s', kill: '3s' },
    routes: [{ path: '/' }],
  },
  api: {
    run: { process: 'node api.ts' },
    port: 3001,
    count: 2,
    mode: 'active-standby',
    health: '/healthz',
    resources: { cpu: 0.1, memory: '128Mi' },
    update: { minHealthy: '1s' },
    stop: { drain: '5s', kill: '3s' },
  },
});
