import { offeredLoad, runScenario } from '#lab/scenario';
import { createOutput, table } from '../output.ts';
import { scenarioOfOptions } from './lab-options.ts';
import type { LabInput } from './register.ts';

/** `haven lab simulate`. */
export async function run({ options }: LabInput): Promise<number> {
  const output = createOutput({ json: options['json'] === true, quiet: options['quiet'] === true });
  const scenario = scenarioOfOptions(options);
  const load = offeredLoad(scenario);
  const isUnstable = load !== undefined && load >= 1 && scenario.capacity === undefined && scenario.patience === undefined;
  if (isUnstable)
    output.warn(`a load of ${load.toFixed(3)} per worker is unstable: the queue grows for as long as jobs arrive, so every mean grows with --jobs`);
  const startedAt = performance.now();
  const result = runScenario(scenario);
  const seconds = (performance.now() - startedAt) / 1_000;
  if (result.fallback !== '') output.warn(`${scenario.policy} was replaced by first come, first served: ${result.fallback}`);
  const values = Object.fromEntries(Object.entries(result.metrics).map(([name, metric]) => [name, metric.value]));
  const halfWidths = Object.fromEntries(Object.entries(result.metrics).flatMap(([name, metric]) => (metric.halfWidth > 0 ? [[name, metric.halfWidth]] : [])));
  if (output.json) {
    output.record({
      scenario,
      ...values,
      metrics: values,
      ci95: halfWidths,
      events: result.events,
      invalid: result.invalid,
      fallback: result.fallback,
      unstable: isUnstable,
    });
    return 0;
  }
  output.progress(`${result.events} events in ${seconds.toFixed(2)} s, ${(result.events / seconds / 1e6).toFixed(2)} M events/s`);
  const rows = Object.entries(result.metrics).map(([name, metric]) => [
    name,
    digits(metric.value),
    metric.halfWidth > 0 ? `± ${digits(metric.halfWidth)}` : '',
  ]);
  output.data(table(['metric', '>value', '95 % CI'], rows));
  return 0;
}

function digits(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(6);
}
