import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Store } from '#store/store';

/** What the API counts about itself, in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/). */
export class ApiMetrics implements Disposable {
  readonly #requests = new Map<string, { readonly labels: string; count: number; sumMs: number }>();
  readonly #lag = monitorEventLoopDelay({ resolution: 20 });

  constructor() {
    this.#lag.enable();
  }

  /** Counts one answer. `route` is a row of the API, never what was asked: the number of series stays bounded. */
  observe(request: { readonly method: string; readonly route: string; readonly status: number; readonly durationMs: number }): void {
    const labels = `method="${request.method}",route="${request.route}",status="${request.status}"`;
    const known = this.#requests.get(labels) ?? { labels, count: 0, sumMs: 0 };
    known.count += 1;
    known.sumMs += request.durationMs;
    this.#requests.set(labels, known);
  }

  async text(store: Store, facts: { readonly watchers: number }): Promise<string> {
    const { revision, keys } = await store.status();
    const rows = [...this.#requests.values()];
    const sections = [
      metric(
        'haven_api_requests_total',
        'counter',
        'Answers of the API',
        rows.map(({ labels, count }) => [labels, count]),
      ),
      metric(
        'haven_api_request_seconds_sum',
        'counter',
        'Time until the head of the answer',
        rows.map(({ labels, sumMs }) => [labels, sumMs / 1_000]),
      ),
      metric('haven_store_revision', 'gauge', 'Revision of the store', [['', revision]]),
      metric('haven_store_keys', 'gauge', 'Keys in the store', [['', keys]]),
      metric('haven_api_watchers', 'gauge', 'Open watches of agents, gateways and clients', [['', facts.watchers]]),
      metric('haven_event_loop_lag_seconds', 'gauge', 'Delay of the event loop since the last scrape', [
        ['quantile="0.5"', this.#lag.percentile(50) / 1e9],
        ['quantile="0.99"', this.#lag.percentile(99) / 1e9],
        ['quantile="1"', this.#lag.max / 1e9],
      ]),
      metric('haven_resident_memory_bytes', 'gauge', 'Resident memory of the control process', [['', process.memoryUsage.rss()]]),
    ];
    this.#lag.reset();
    return sections.join('');
  }

  [Symbol.dispose](): void {
    this.#lag.disable();
  }
}

function metric(name: string, type: 'counter' | 'gauge', help: string, samples: readonly (readonly [labels: string, value: number])[]): string {
  const lines = samples.map(([labels, value]) => `${name}${labels === '' ? '' : `{${labels}}`} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}
