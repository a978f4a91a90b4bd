import { Histogram } from './histogram.ts';
import { METHODS } from './method.ts';

/** Classes of status: hundreds from 0 to 5. */
export const STATUS_CLASSES = 6;

/** What one service has seen since the worker started. Plain numbers: a request costs some additions, and no memory. */
export class ServiceCounts {
  /** Finished requests by class of status and method: class × METHODS.length + method. */
  readonly answers = new Float64Array(STATUS_CLASSES * METHODS.length);
  /** From the head of the request to the end of the answer; tunnels have no such end. */
  readonly durations = new Histogram();
  /** From the head of the request to the head of the answer, whoever gave it. */
  readonly firstBytes = new Histogram();
  /** Of those that waited for a backend: how long. */
  readonly waits = new Histogram();
  clientAborts = 0;
  /** Requests that had to wait. */
  held = 0;
  /** Requests that found no room to wait. */
  overflows = 0;
  rateLimited = 0;
  tunnels = 0;
  /** Tunnels that ended because their backend or the worker drained: told by a frame, or cut in the middle of one. */
  readonly tunnelsDrained = { closed: 0, cut: 0 };
  panics = 0;
  budgetExhausted = 0;
  readonly retriesByReason = new Map<string, number>();

  /** Grows with each of its counters, and with nothing else. */
  get events(): number {
    const { answers, durations, firstBytes, waits, clientAborts, held, overflows, rateLimited, tunnelsDrained, panics, budgetExhausted } = this;
    let sum = durations.count + firstBytes.count + waits.count + clientAborts + held + overflows + rateLimited + panics + budgetExhausted;
    sum += tunnelsDrained.closed + tunnelsDrained.cut;
    for (let at = 0; at < answers.length; at++) sum += answers[at] as number;
    for (const count of this.retriesByReason.values()) sum += count;
    return sum;
  }

  /** A request is over. */
  answered(status: number, method: number, durationMs: number): void {
    const at = ((status / 100) | 0) * METHODS.length + method;
    this.answers[at] = (this.answers[at] as number) + 1;
    if (status !== 101) this.durations.add(durationMs);
  }

  retried(reason: string): void {
    this.retriesByReason.set(reason, (this.retriesByReason.get(reason) ?? 0) + 1);
  }
}
