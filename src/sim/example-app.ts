import { type AppQuality, appCommand } from './app-program.ts';

/** What differs between the apps that tests deploy. */
export interface ExampleOptions {
  readonly version?: number;
  readonly quality?: AppQuality;
  readonly count?: number;
  readonly startMs?: number;
  readonly update?: Readonly<Record<string, unknown>>;
  readonly memory?: string;
}

/** The config of `shop` with one service, in the way people write it and with short times. */
export function exampleApp({ version = 1, quality = 'good', count = 3, startMs = 300, update = {}, memory = '256Mi' }: ExampleOptions = {}) {
  return {
    name: 'shop',
    web: {
      run: { process: appCommand(quality, startMs) },
      port: 3_000,
      health: { startup: '/healthz', ready: { http: '/healthz', interval: '2s' } },
      count,
      resources: { memory },
      env: { VERSION: String(version) },
      update: { minHealthy: '2s', healthyDeadline: '20s', progressDeadline: '40s', ...update },
      stop: { unroute: '3s', drain: '3s', kill: '2s' },
      restart: { delay: '500ms', maxDelay: '4s', attempts: 5, window: '5m' },
    },
  };
}
