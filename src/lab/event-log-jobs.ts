import type { Micros } from '#policy/queue/queue-policy';
import type { EventLog, LogEvent } from './event-log.ts';

/** How a recorded job ended: done, given up after its last failure, cancelled, or not ended when the log ended. */
export type JobEnding = 'finished' | 'failed' | 'cancelled' | 'censored';

/** One job as a log tells it; times in microseconds from the first event. */
export interface RecordedJob {
  readonly id: string;
  readonly tenant: string;
  readonly handler: string;
  readonly weight: number;
  readonly priority: number;
  readonly width: number;
  readonly submitted: Micros;
  /** From the first event; Infinity when there is none. */
  readonly deadline: Micros;
  /** Service received over all its attempts but those lost with a worker; what is known of it if it did not end. */
  readonly service: Micros;
  /** Declared on arrival or later; 0 when it was not. */
  readonly estimate: Micros;
  /** -1 if it never ran. */
  readonly firstStart: Micros;
  /** When it ended, or when the log did. */
  readonly endedAt: Micros;
  readonly ending: JobEnding;
  readonly interruptions: number;
}

export interface Outage {
  readonly worker: number;
  readonly from: Micros;
  /** Infinity when it was still down at the end of the log. */
  readonly to: Micros;
}

/** What a log holds once its events are joined up. */
export interface Recording {
  readonly jobs: readonly RecordedJob[];
  readonly outages: readonly Outage[];
  /** As stated, else the most that were seen at work at once. */
  readonly workers: number;
  readonly endedAt: Micros;
  /** Whether it is a trace: arrivals with sizes and nothing else. */
  readonly isTrace: boolean;
  /** Events that do not fit the jobs' story, such as a finish without a start, by reason. */
  readonly odd: ReadonlyMap<string, number>;
}

interface Open {
  readonly arrival: LogEvent;
  seq: number;
  estimate: Micros;
  service: Micros;
  startedAt: Micros;
  worker: number;
  firstStart: Micros;
  endedAt: Micros;
  interruptions: number;
  ending: JobEnding;
}

/** Joins the events of a log into jobs and outages of workers. Jobs that had not ended are kept as censored. */
export function recordingOf(log: EventLog): Recording {
  const begin = log.events[0]?.at ?? 0;
  const endedAt = (log.events.at(-1)?.at ?? 0) - begin;
  const jobs = new Map<string, Open>();
  const odd = new Map<string, number>();
  const down = new Map<number, Micros>();
  const outages: Outage[] = [];
  let running = 0;
  let mostRunning = 0;
  let highestWorker = -1;
  let isTrace = true;
  const strange = (reason: string): void => void odd.set(reason, (odd.get(reason) ?? 0) + 1);
  const stop = (job: Open, at: Micros): void => {
    if (job.startedAt >= 0) {
      job.service += at - job.startedAt;
      running -= 1;
    }
    job.startedAt = -1;
  };
  for (const event of log.events) {
    const at = event.at - begin;
    if (event.event !== 'arrive' && event.event !== 'estimate') isTrace = false;
    if (event.worker !== undefined) highestWorker = Math.max(highestWorker, event.worker);
    if (event.event === 'worker-down') {
      down.set(event.worker ?? 0, at);
      continue;
    }
    if (event.event === 'worker-up') {
      const from = down.get(event.worker ?? 0);
      if (from !== undefined) outages.push({ worker: event.worker ?? 0, from, to: at });
      down.delete(event.worker ?? 0);
      continue;
    }
    const id = event.job ?? '';
    const job = jobs.get(id);
    if (event.event === 'arrive') {
      if (job !== undefined) strange('a second arrival of one job');
      else jobs.set(id, openOf(event, jobs.size));
      continue;
    }
    if (job === undefined) {
      strange(`${event.event} of a job that did not arrive`);
      continue;
    }
    if (job.ending === 'finished' || job.ending === 'cancelled') {
      strange(`${event.event} of a job that had ended`);
      continue;
    }
    switch (event.event) {
      case 'estimate':
        job.estimate = event.estimate ?? job.estimate;
        break;
      case 'start':
      case 'resume':
        if (job.startedAt >= 0) strange(`${event.event} of a job that runs`);
        else {
          job.startedAt = at;
          job.worker = event.worker ?? -1;
          running += 1;
          mostRunning = Math.max(mostRunning, running);
        }
        if (job.firstStart < 0) job.firstStart = at;
        job.ending = 'censored';
        break;
      case 'pause':
        if (job.startedAt < 0) strange('pause of a job that does not run');
        stop(job, at);
        job.interruptions += 1;
        break;
      case 'fail':
        // Work lost with a worker is lost again when its outage is replayed; counting it here would charge it twice.
        if (event.cause === 'worker-lost' && job.startedAt >= 0) {
          job.startedAt = -1;
          running -= 1;
        } else stop(job, at);
        job.ending = 'failed';
        job.endedAt = at;
        break;
      case 'finish':
        if (job.startedAt < 0) strange('finish of a job that does not run');
        stop(job, at);
        job.ending = 'finished';
        job.endedAt = at;
        break;
      case 'leave':
        stop(job, at);
        job.ending = 'cancelled';
        job.endedAt = at;
        break;
    }
  }
  for (const [worker, from] of down) outages.push({ worker, from, to: Number.POSITIVE_INFINITY });
  for (const job of jobs.values()) if (job.ending === 'censored') stop(job, endedAt);
  return {
    jobs: [...jobs.values()].map((job) => recordOf(job, { begin, endedAt })),
    outages: outages.sort((a, b) => a.from - b.from),
    workers: log.header.workers ?? Math.max(1, highestWorker + 1, mostRunning),
    endedAt,
    isTrace: isTrace && [...jobs.values()].some((job) => job.arrival.size !== undefined),
    odd,
  };
}

function openOf(arrival: LogEvent, seq: number): Open {
  return {
    arrival,
    seq,
    estimate: arrival.estimate ?? 0,
    service: 0,
    startedAt: -1,
    worker: -1,
    firstStart: -1,
    endedAt: -1,
    interruptions: 0,
    ending: 'censored',
  };
}

function recordOf(job: Open, { begin, endedAt }: { readonly begin: Micros; readonly endedAt: Micros }): RecordedJob {
  const { arrival } = job;
  return {
    id: arrival.job ?? '',
    tenant: arrival.tenant ?? 'all',
    handler: arrival.handler ?? '',
    weight: arrival.weight ?? 1,
    priority: arrival.priority ?? 0,
    width: arrival.width ?? 1,
    submitted: arrival.at - begin,
    deadline: arrival.deadline === undefined ? Number.POSITIVE_INFINITY : arrival.deadline - begin,
    service: job.service > 0 ? job.service : (arrival.size ?? 0),
    estimate: job.estimate,
    firstStart: job.firstStart,
    endedAt: job.endedAt >= 0 ? job.endedAt : endedAt,
    ending: job.ending,
    interruptions: job.interruptions,
  };
}
