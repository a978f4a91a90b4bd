import type { Micros } from '#policy/queue/queue-policy';
import type { LogEvent, LogHeader } from './event-log.ts';
import { printLogLine } from './event-log.ts';
import type { JobRecord, JobSource } from './job-source.ts';
import type { SimTask } from './sim-task.ts';
import type { SimulationObserver } from './simulation-options.ts';

/** Writes a simulation down as a job log: put its source in place of the simulation's, and it as the observer. */
export class LogWriter implements SimulationObserver {
  readonly #events: (LogEvent & { readonly order: number })[] = [];
  readonly #started = new Set<string>();
  readonly #handlerOf: (record: JobRecord) => string;
  readonly #logsEstimates: boolean;
  #arrived = 0;

  /** `handlerOf`: what predictors may go by. `logsEstimates`: as declared; not for estimates that are the sizes themselves. */
  constructor(options: { readonly handlerOf?: (record: JobRecord) => string; readonly logsEstimates?: boolean } = {}) {
    this.#handlerOf = options.handlerOf ?? (() => '');
    this.#logsEstimates = options.logsEstimates === true;
  }

  /** The source, with its arrivals written down. */
  writing(source: JobSource): JobSource {
    const arrive = (record: JobRecord): void => {
      const handler = this.#handlerOf(record);
      const { at, tenant, weight, priority, width } = record;
      const job = record.label === '' ? `job-${this.#arrived}` : record.label;
      this.#arrived += 1;
      this.#add(
        {
          at,
          event: 'arrive',
          job,
          tenant,
          weight,
          priority,
          width,
          ...(handler === '' ? {} : { handler }),
          ...(Number.isFinite(record.deadline) ? { deadline: record.deadline } : {}),
          ...(this.#logsEstimates ? { estimate: record.estimate } : {}),
        },
        2,
      );
    };
    return {
      get nextAt() {
        return source.nextAt;
      },
      take: (record) => {
        source.take(record);
        arrive(record);
      },
      onLeave: (now) => source.onLeave?.(now),
    };
  }

  slice(task: SimTask, from: Micros, to: Micros): void {
    this.#add({ at: from, event: this.#started.has(task.id) ? 'resume' : 'start', job: task.id, ...(task.worker >= 0 ? { worker: task.worker } : {}) }, 3);
    this.#started.add(task.id);
    if (task.attained < task.size) this.#add({ at: to, event: 'pause', job: task.id }, 1);
  }

  finished(task: SimTask, now: Micros): void {
    this.#add({ at: now, event: 'finish', job: task.id }, 0);
  }

  /** The log, in order of time. */
  text(header: Omit<LogHeader, 'log' | 'version'>): string {
    const lines = this.#events.sort((a, b) => a.at - b.at || a.order - b.order).map(({ order: _, ...event }) => printLogLine(event));
    return `${[printLogLine({ log: 'haven-jobs', version: 1, ...header }), ...lines].join('\n')}\n`;
  }

  #add(event: LogEvent, order: number): void {
    this.#events.push({ ...event, order });
  }
}
