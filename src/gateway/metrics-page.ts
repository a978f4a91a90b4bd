import { bucketBoundMs } from './dataplane/histogram.ts';
import { denseCounts } from './merged-samples.ts';
import type { HistogramSample } from './worker-protocol.ts';

export type Labels = Readonly<Record<string, string>>;

/** Bounds of the published histograms in seconds: fewer than are counted, so that a service costs few lines. */
const BOUNDS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;

interface Family {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly lines: string[];
}

/** A page in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/). Names come without `haven_gateway_`. */
export class MetricsPage {
  readonly #families = new Map<string, Family>();

  gauge(name: string, help: string, value: number, labels: Labels = {}): void {
    this.#family(name, 'gauge', help).push(`haven_gateway_${name}${textOf(labels)} ${value}`);
  }

  counter(name: string, help: string, value: number, labels: Labels = {}): void {
    this.#family(name, 'counter', help).push(`haven_gateway_${name}${textOf(labels)} ${value}`);
  }

  histogram(name: string, help: string, sample: HistogramSample, labels: Labels): void {
    const lines = this.#family(name, 'histogram', help);
    const below = BOUNDS_SECONDS.map(() => 0);
    let total = 0;
    denseCounts(sample).forEach((count, bucket) => {
      total += count;
      const boundSeconds = bucketBoundMs(bucket) / 1_000;
      BOUNDS_SECONDS.forEach((bound, i) => {
        // A bucket across a bound counts as above it: latencies are never shown smaller than they were.
        if (boundSeconds <= bound) below[i] = (below[i] as number) + count;
      });
    });
    const bucket = (le: string, count: number) => lines.push(`haven_gateway_${name}_bucket${textOf({ ...labels, le })} ${count}`);
    BOUNDS_SECONDS.forEach((bound, i) => {
      bucket(String(bound), below[i] as number);
    });
    bucket('+Inf', total);
    lines.push(`haven_gateway_${name}_sum${textOf(labels)} ${sample.sumMs / 1_000}`, `haven_gateway_${name}_count${textOf(labels)} ${total}`);
  }

  get text(): string {
    const families = [...this.#families].map(([name, { type, help, lines }]) => {
      return `# HELP haven_gateway_${name} ${help}\n# TYPE haven_gateway_${name} ${type}\n${lines.join('\n')}\n`;
    });
    return families.join('');
  }

  #family(name: string, type: Family['type'], help: string): string[] {
    const family = this.#families.get(name) ?? { type, help, lines: [] };
    this.#families.set(name, family);
    return family.lines;
  }
}

function textOf(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${value.replace(/["\\\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`))}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
