import type { Micros } from '#policy/queue/queue-policy';
import { Histogram } from './histogram.ts';
import type { JobRecord, JobSource } from './job-source.ts';
import type { SimTask } from './sim-task.ts';
import type { SimulationObserver } from './simulation-options.ts';

/** Slowdowns are kept in histograms as whole millionths. */
export const SLOWDOWN_UNIT = 1_000_000;
const QUEUE_POINTS = 256;
const GANTT_JOBS = 24;
const MOST_SLICES = 4_000;
const TWO_32 = 2 ** 32;

/** Jobs of about one size: sizes from `low` up to the next bin's, two bins per doubling. */
export interface SizeBin {
  readonly low: Micros;
  count: number;
  slowdown: number;
  response: number;
  mostSlowdown: number;
}

/** One job of the drawn window: when it came, when it was served, when it was done. */
export interface WindowJob {
  readonly name: string;
  readonly tenant: string;
  readonly arrived: Micros;
  finished: Micros;
  readonly slices: (readonly [from: Micros, to: Micros, worker: number])[];
}

/** What one tenant's jobs got. */
export class TenantRecord {
  count = 0;
  response = 0;
  slowdown = 0;
  service = 0;
  readonly responses = new Histogram();
}

/** Watches a simulation for what comparisons and pictures need beyond its own statistics, in bounded memory. */
export class Recorder implements SimulationObserver {
  readonly slowdowns = new Histogram();
  readonly bounded = new Histogram();
  readonly tenants = new Map<string, TenantRecord>();
  readonly sizes = new Map<number, SizeBin>();
  readonly window = new Map<number, WindowJob>();
  readonly queue = new QueueCurve();
  readonly #tau: Micros;
  readonly #firstDrawn: number;
  readonly #isDetailed: boolean;
  #slices = 0;
  #inSystem = 0;

  constructor(options: { readonly tau: Micros; readonly jobs: number; readonly warmup: number; readonly isDetailed: boolean }) {
    this.#tau = options.tau;
    this.#isDetailed = options.isDetailed;
    this.#firstDrawn = options.warmup + Math.max(0, Math.floor((options.jobs - options.warmup - GANTT_JOBS) / 2));
    // Present only when asked for: a hook that does nothing still costs on every slice.
    if (options.isDetailed) this.slice = (task, from, to) => this.#drawSlice(task, from, to);
  }

  slice?: (task: SimTask, from: Micros, to: Micros) => void;

  /** The source, with arrivals counted on their way in. */
  counting(source: JobSource): JobSource {
    if (!this.#isDetailed) return source;
    const arrived = (now: Micros): void => this.#population(now, 1);
    return {
      get nextAt() {
        return source.nextAt;
      },
      take: (record: JobRecord) => {
        arrived(source.nextAt);
        source.take(record);
      },
      onLeave: (now: Micros) => {
        this.#population(now, -1);
        source.onLeave?.(now);
      },
    };
  }

  finished(task: SimTask, now: Micros): void {
    if (this.#isDetailed) {
      const drawn = this.#drawn(task);
      if (drawn !== undefined) drawn.finished = now;
    }
    if (!task.isMeasured) return;
    const response = now - task.submitted;
    const slowdown = task.size > 0 ? response / task.size : 1;
    this.slowdowns.record(Math.round(slowdown * SLOWDOWN_UNIT));
    this.bounded.record(Math.round(Math.max(1, response / Math.max(task.size, this.#tau)) * SLOWDOWN_UNIT));
    this.#ofSize(task.size, slowdown, response);
    let tenant = this.tenants.get(task.tenant);
    if (tenant === undefined) {
      tenant = new TenantRecord();
      this.tenants.set(task.tenant, tenant);
    }
    tenant.count += 1;
    tenant.response += response;
    tenant.slowdown += slowdown;
    tenant.service += task.size;
    tenant.responses.record(response);
  }

  #ofSize(size: Micros, slowdown: number, response: number): void {
    const index = halfDoubling(size);
    let bin = this.sizes.get(index);
    if (bin === undefined) {
      bin = { low: lowestOf(index), count: 0, slowdown: 0, response: 0, mostSlowdown: 0 };
      this.sizes.set(index, bin);
    }
    bin.count += 1;
    bin.slowdown += slowdown;
    bin.response += response;
    if (slowdown > bin.mostSlowdown) bin.mostSlowdown = slowdown;
  }

  #population(now: Micros, change: 1 | -1): void {
    this.queue.pass(now, this.#inSystem);
    this.#inSystem += change;
  }

  #drawn(task: SimTask): WindowJob | undefined {
    const place = task.seq - this.#firstDrawn;
    if (place < 0 || place >= GANTT_JOBS) return undefined;
    let job = this.window.get(task.seq);
    if (job === undefined) {
      job = { name: task.id, tenant: task.tenant, arrived: task.submitted, finished: -1, slices: [] };
      this.window.set(task.seq, job);
    }
    return job;
  }

  #drawSlice(task: SimTask, from: Micros, to: Micros): void {
    const job = this.#drawn(task);
    if (job === undefined || to <= from) return;
    const last = job.slices.at(-1);
    if (last !== undefined && last[1] === from && last[2] === task.worker) job.slices[job.slices.length - 1] = [last[0], to, task.worker];
    else if (this.#slices < MOST_SLICES) {
      job.slices.push([from, to, task.worker]);
      this.#slices += 1;
    }
  }
}

/** The mean number in the system over time, in at most 256 steps of equal length that double as time goes on. */
export class QueueCurve {
  readonly #areas = new Float64Array(QUEUE_POINTS);
  #step: Micros = 1_024;
  #now: Micros = -1;
  #begin: Micros = 0;

  /** The number was `inSystem` until `now`. */
  pass(now: Micros, inSystem: number): void {
    if (this.#now < 0) {
      this.#begin = now;
      this.#now = now;
    }
    while (now - this.#begin >= this.#step * QUEUE_POINTS) this.#double();
    for (let at = this.#now; at < now; ) {
      const place = Math.floor((at - this.#begin) / this.#step);
      const to = Math.min(now, this.#begin + (place + 1) * this.#step);
      this.#areas[place] = (this.#areas[place] as number) + inSystem * (to - at);
      at = to;
    }
    this.#now = Math.max(this.#now, now);
  }

  /** (moment, mean number in the system during the step that begins then). */
  points(): readonly (readonly [at: Micros, inSystem: number])[] {
    const used = Math.ceil((this.#now - this.#begin) / this.#step);
    return Array.from({ length: Math.max(0, used) }, (_, place) => {
      const length = Math.min(this.#step, this.#now - this.#begin - place * this.#step);
      return [this.#begin + place * this.#step, (this.#areas[place] as number) / Math.max(1, length)] as const;
    });
  }

  #double(): void {
    for (let place = 0; place < QUEUE_POINTS; place += 1) {
      const joined = 2 * place < QUEUE_POINTS ? (this.#areas[2 * place] as number) + (this.#areas[2 * place + 1] as number) : 0;
      this.#areas[place] = joined;
    }
    this.#step *= 2;
  }
}

/** Twice the whole binary logarithm, plus one in the upper half: exact on every engine. */
function halfDoubling(value: number): number {
  const exponent = value < TWO_32 ? 31 - Math.clz32(value) : 63 - Math.clz32(value / TWO_32);
  return 2 * exponent + (2 * value >= 3 * 2 ** exponent ? 1 : 0);
}

function lowestOf(index: number): number {
  const low = 2 ** (index >> 1);
  return index % 2 === 0 ? low : 1.5 * low;
}
