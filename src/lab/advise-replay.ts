import { makeQueuePolicy } from '#policy/queue/policies';
import { makePredictor } from '#policy/queue/predictors';
import type { Micros } from '#policy/queue/queue-policy';
import { outageLaws, ReplaySource } from './advise-source.ts';
import type { ReplayTable } from './advise-table.ts';
import { isMeasured, resampleReplay } from './advise-table.ts';
import type { RecordedJob } from './event-log-jobs.ts';
import { UNIT } from './job-source.ts';
import { JobSimulation } from './simulator.ts';

/** One replay of a recorded workload under a policy, as plain data. */
export interface Replay {
  readonly table: ReplayTable;
  readonly policy: string;
  /** Who predicts sizes; `declared` takes what the log says. */
  readonly predictor: string;
  /** Late answers delay the tenant's next job. */
  readonly isClosed: boolean;
  readonly switchCost: Micros;
  /** 0: the log as it is; any other: a resample drawn by it. */
  readonly resample: number;
}

export interface TenantOutcome {
  readonly tenant: string;
  readonly jobs: number;
  readonly meanResponse: number;
  readonly p99Response: number;
}

/** What a replay found; times in seconds. */
export interface ReplayFigures {
  readonly policy: string;
  readonly metrics: Readonly<Record<string, number>>;
  readonly tenants: readonly TenantOutcome[];
  /** Why first come, first served took over; empty if it did not. */
  readonly fallback: string;
}

/** Replays a recorded workload. Jobs that were censored or cancelled are served, or leave, but are not measured. */
export function replayRecording(replay: Replay): ReplayFigures {
  const table = replay.resample === 0 ? replay.table : resampleReplay(replay.table, replay.resample);
  const predictor = replay.predictor === 'declared' ? undefined : makePredictor(replay.predictor);
  const source = new ReplaySource(table, { predictor, isClosed: replay.isClosed });
  const outcomes = new Outcomes(table.jobs);
  const errors: number[] = [];
  let slices = 0;
  const isWide = table.width.some((width) => width > 1);
  const mayLeave = table.patience.some((patience) => patience < Number.POSITIVE_INFINITY);
  const simulation = new JobSimulation({
    policy: makeQueuePolicy(replay.policy),
    source,
    workers: table.workers,
    pooled: isWide,
    jobs: table.jobs,
    seed: 1 + replay.resample,
    window: 'all',
    switchCost: replay.switchCost,
    ...(mayLeave ? { patience: source.patience } : {}),
    ...(table.outages.length > 0 && !isWide ? { failures: outageLaws(table.outages, table.workers) } : {}),
    observer: {
      finished: (task, now) => {
        const index = source.indexOf(task.seq);
        source.finished(task.seq, now);
        if (table.isMeasured[index] !== 1) return;
        slices += task.slices;
        outcomes.add(table.tenant[index] as number, { response: now - task.submitted, service: task.size });
        const predicted = source.estimateOf(index);
        if (predicted > 0) errors.push(Math.max(predicted / task.size, task.size / predicted));
      },
    },
  }).simulate();
  const { meter } = simulation;
  return {
    policy: replay.policy,
    metrics: {
      ...outcomes.metrics(),
      interruptions_per_job: Math.max(0, slices - outcomes.count) / Math.max(1, outcomes.count),
      overhead_fraction: meter.busy === 0 ? 0 : meter.overhead / meter.busy,
      utilisation: meter.busy / Math.max(1, meter.length) / table.workers,
      abandoned: meter.abandoned,
      /** Median factor between what was predicted and what was needed. */
      prediction_error: quantileOf(
        errors.sort((a, b) => a - b),
        0.5,
      ),
    },
    tenants: outcomes.tenants(table.tenants),
    fallback: simulation.fallback,
  };
}

/** What was recorded, in the measures of a replay. */
export function recordedFigures(jobs: readonly RecordedJob[], policy: string): ReplayFigures {
  const outcomes = new Outcomes(jobs.length);
  const tenants: string[] = [];
  let interruptions = 0;
  for (const job of jobs) {
    if (!isMeasured(job)) continue;
    let tenant = tenants.indexOf(job.tenant);
    if (tenant === -1) tenant = tenants.push(job.tenant) - 1;
    interruptions += job.interruptions;
    outcomes.add(tenant, { response: job.endedAt - job.submitted, service: job.service });
  }
  return {
    policy,
    metrics: { ...outcomes.metrics(), interruptions_per_job: interruptions / Math.max(1, outcomes.count) },
    tenants: outcomes.tenants(tenants),
    fallback: '',
  };
}

/** The measured jobs of a replay, kept whole so that percentiles are exact. */
class Outcomes {
  readonly #responses: Float64Array;
  readonly #waits: Float64Array;
  readonly #slowdowns: Float64Array;
  readonly #byTenant = new Map<number, number[]>();
  count = 0;

  constructor(most: number) {
    this.#responses = new Float64Array(most);
    this.#waits = new Float64Array(most);
    this.#slowdowns = new Float64Array(most);
  }

  add(tenant: number, { response, service }: { readonly response: Micros; readonly service: Micros }): void {
    this.#responses[this.count] = response / UNIT;
    this.#waits[this.count] = (response - service) / UNIT;
    this.#slowdowns[this.count] = response / Math.max(1, service);
    this.count += 1;
    const own = this.#byTenant.get(tenant);
    if (own === undefined) this.#byTenant.set(tenant, [response / UNIT]);
    else own.push(response / UNIT);
  }

  metrics(): Record<string, number> {
    const metrics: Record<string, number> = { jobs: this.count };
    for (const [name, column] of [
      ['response', this.#responses],
      ['wait', this.#waits],
      ['slowdown', this.#slowdowns],
    ] as const) {
      const sorted = column.subarray(0, this.count).slice().sort();
      metrics[`mean_${name}`] = sorted.reduce((sum, value) => sum + value, 0) / Math.max(1, this.count);
      for (const percent of [50, 95, 99]) metrics[`p${percent}_${name}`] = quantileOf(sorted, percent / 100);
      metrics[`max_${name}`] = sorted.at(-1) ?? 0;
    }
    metrics['worst_tenant_p99'] = Math.max(
      0,
      ...[...this.#byTenant.values()].map((own) =>
        quantileOf(
          [...own].sort((a, b) => a - b),
          0.99,
        ),
      ),
    );
    return metrics;
  }

  tenants(names: readonly string[]): readonly TenantOutcome[] {
    return [...this.#byTenant].map(([tenant, own]) => ({
      tenant: names[tenant] ?? 'all',
      jobs: own.length,
      meanResponse: own.reduce((sum, value) => sum + value, 0) / own.length,
      p99Response: quantileOf(
        [...own].sort((a, b) => a - b),
        0.99,
      ),
    }));
  }
}

/** Nearest rank of sorted values; 0 when there are none. */
export function quantileOf(sorted: { readonly length: number; readonly [index: number]: number }, fraction: number): number {
  return sorted.length === 0 ? 0 : (sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] as number);
}
