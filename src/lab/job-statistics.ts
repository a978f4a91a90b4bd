import type { Micros } from '#policy/queue/queue-policy';
import { BatchMeans } from './batch-means.ts';
import { Histogram } from './histogram.ts';
import type { SimTask } from './sim-task.ts';

/** What is kept about each class of jobs. */
export class ClassStatistics {
  tenant = '';
  readonly response: BatchMeans;
  readonly wait: BatchMeans;
  service = 0;

  constructor(expected: number) {
    this.response = new BatchMeans(expected);
    this.wait = new BatchMeans(expected);
  }
}

/**
 * Streaming statistics of finished jobs, in bounded memory. Wait is response less service, so that switching costs count as waiting.
 * Slowdown is response / service; bounded slowdown is max(1, response / max(service, tau)).
 */
export class JobStatistics {
  readonly response: BatchMeans;
  readonly wait: BatchMeans;
  readonly slowdown: BatchMeans;
  readonly boundedSlowdown: BatchMeans;
  readonly responses = new Histogram();
  readonly waits = new Histogram();
  readonly classes: ClassStatistics[] = [];
  readonly #expected: number;
  readonly #tau: Micros;
  finished = 0;
  /** Finished jobs that did not start at the moment they arrived. */
  waited = 0;
  slices = 0;
  firstStarts = 0;

  constructor(expected: number, tau: Micros) {
    this.#expected = expected;
    this.#tau = tau;
    this.response = new BatchMeans(expected);
    this.wait = new BatchMeans(expected);
    this.slowdown = new BatchMeans(expected);
    this.boundedSlowdown = new BatchMeans(expected);
  }

  record(task: SimTask, now: Micros): void {
    const response = now - task.submitted;
    const wait = response - task.size;
    this.finished += 1;
    this.slices += task.slices;
    if (task.firstStart > task.submitted) this.waited += 1;
    this.firstStarts += task.firstStart - task.submitted;
    this.response.record(response);
    this.wait.record(wait);
    this.responses.record(response);
    this.waits.record(wait);
    this.slowdown.record(task.size > 0 ? response / task.size : 1);
    this.boundedSlowdown.record(Math.max(1, response / Math.max(task.size, this.#tau)));
    let ofClass = this.classes[task.kind];
    if (ofClass === undefined) {
      while (this.classes.length <= task.kind) this.classes.push(new ClassStatistics(Math.floor(this.#expected / 4)));
      ofClass = this.classes[task.kind] as ClassStatistics;
    }
    ofClass.tenant = task.tenant;
    ofClass.response.record(response);
    ofClass.wait.record(wait);
    ofClass.service += task.size;
  }
}
