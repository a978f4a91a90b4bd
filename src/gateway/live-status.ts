import type { World } from '#world/world';
import { percentileMs } from './dataplane/histogram.ts';
import { METHODS } from './dataplane/method.ts';
import { STATUS_CLASSES } from './dataplane/service-counts.ts';
import { denseCounts, mergeSamples } from './merged-samples.ts';
import type { ServiceSample, TcpSample, WorkerSample } from './worker-protocol.ts';

/** Seconds over which rates and percentiles of the live status are taken. */
const windowSeconds = 10;

/** The answer of /status. Times in ms. */
export interface LiveStatus {
  readonly gateway: string;
  readonly revision: number;
  readonly controlConnected: boolean;
  readonly routesAgeSeconds: number;
  readonly workers: readonly { readonly pid: number }[];
  readonly clients: number;
  readonly memoryBytes: number;
  readonly services: Readonly<Record<string, LiveService>>;
}

export interface LiveService extends ServiceTraffic {
  /** Host and path of its routes. */
  readonly matches: readonly string[];
  readonly backends: readonly LiveBackend[];
}

export interface ServiceTraffic {
  /** Who gets its requests: healthy primaries, those never checked, the standby, everybody (panic), or nobody. */
  readonly tier: string;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Of the window: answers by class of status. */
  readonly answers: Readonly<Record<string, number>>;
  readonly retries: number;
  readonly inFlight: number;
  readonly held: number;
  /** Of connections that are carried as they are; absent if there were none. */
  readonly tcp?: LiveTcp;
}

/** Within the window; bytes and connections a second. */
export interface LiveTcp {
  readonly connectionsPerSecond: number;
  readonly bytesToBackendsPerSecond: number;
  readonly bytesToClientsPerSecond: number;
}

export interface LiveBackend {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly tier: string;
  readonly state: string;
  readonly health: string;
  readonly reason: string;
  readonly inFlight: number;
  readonly answers: number;
  readonly failures: number;
  readonly ejections: number;
}

interface Taken {
  readonly at: number;
  readonly sample: WorkerSample;
}

/** Counters of the last seconds, to tell rates and percentiles of now instead of since the start. */
export class SampleWindow {
  readonly #world: World;
  readonly #taken: Taken[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  get last(): WorkerSample | undefined {
    return this.#taken.at(-1)?.sample;
  }

  add(samples: readonly WorkerSample[]): void {
    if (samples.length === 0) return;
    const now = this.#world.clock.now();
    this.#taken.push({ at: now, sample: mergeSamples(samples) });
    while (this.#taken.length > 2 && (this.#taken[1] as Taken).at < now - windowSeconds * 1_000) this.#taken.shift();
  }

  /** What happened to one service within the window. */
  service(key: string): ServiceTraffic | undefined {
    const last = this.#taken.at(-1);
    const now = last?.sample.services[key];
    if (last === undefined || now === undefined) return undefined;
    const first = this.#taken.find(({ sample }) => sample.services[key] !== undefined && sample !== last.sample);
    const before: ServiceSample | undefined = first?.sample.services[key];
    const seconds = Math.max(0.001, (last.at - (first?.at ?? last.at)) / 1_000);
    const counts = denseCounts(now.durations);
    if (before !== undefined)
      denseCounts(before.durations).forEach((count, bucket) => {
        counts[bucket] = Math.max(0, (counts[bucket] as number) - count);
      });
    const answers = answersByClass(now.answers.map((count, index) => count - (before?.answers[index] ?? 0)));
    const requests = Object.values(answers).reduce((sum, count) => sum + count, 0);
    return {
      tier: now.tier,
      requestsPerSecond: before === undefined ? 0 : requests / seconds,
      p50Ms: percentileMs(counts, 0.5),
      p95Ms: percentileMs(counts, 0.95),
      p99Ms: percentileMs(counts, 0.99),
      answers,
      retries: sumOf(now.retries) - (before === undefined ? 0 : sumOf(before.retries)),
      inFlight: now.inFlight,
      held: now.held,
      ...(now.tcp === undefined ? {} : { tcp: liveTcp(now.tcp, before?.tcp, seconds) }),
    };
  }
}

function answersByClass(answers: readonly number[]): Readonly<Record<string, number>> {
  const byClass = Array.from({ length: STATUS_CLASSES }, (_, hundreds) => {
    const count = answers.slice(hundreds * METHODS.length, (hundreds + 1) * METHODS.length).reduce((sum, each) => sum + each, 0);
    return [`${hundreds}xx`, count] as const;
  });
  return Object.fromEntries(byClass.filter(([, count]) => count > 0));
}

function liveTcp(now: TcpSample, before: TcpSample | undefined, seconds: number): LiveTcp {
  return {
    connectionsPerSecond: (now.opened - (before?.opened ?? 0)) / seconds,
    bytesToBackendsPerSecond: (now.bytesFromClients - (before?.bytesFromClients ?? 0)) / seconds,
    bytesToClientsPerSecond: (now.bytesToClients - (before?.bytesToClients ?? 0)) / seconds,
  };
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
