import { createHash } from 'node:crypto';
import { monotonicNow } from './dataplane/clock.ts';
import { Mutator } from './dataplane/fuzz.ts';

/** One thing that a backend does wrong with a request; what it does to others on the same connection follows. */
export type Fault =
  | 'none'
  | 'reset-before' // resets the connection instead of an answer
  | 'end-before' // ends it instead
  | 'reset-within' // in the middle of the body
  | 'end-within'
  | 'stops-within' // sends nothing more
  | 'silent' // sends nothing at all
  | 'extra' // bytes that nobody asked for, right behind the answer
  | 'says-close' // ends the connection after the answer, and says so
  | 'closes' // and does not say so
  | 'busy'; // 503

/** What happens to one request: how it is sent, how its backend answers. Its token is in its path, a field and every byte of both bodies. */
export interface Plan {
  readonly token: string;
  readonly service: SoakService;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT';
  readonly upload: 'none' | 'length' | 'chunked';
  readonly uploadBytes: number;
  readonly asksFirst: boolean;
  readonly status: 200 | 204 | 304;
  readonly framing: 'length' | 'chunked' | 'close';
  readonly answerBytes: number;
  readonly informational: number;
  /** Parts in which the answer's body is written. */
  readonly parts: number;
  readonly delayMs: number;
  /** Answers without waiting for the request's body. */
  readonly isEarly: boolean;
  readonly fault: Fault;
  /** So often, then it answers well. */
  readonly faultTimes: number;
}

/** alone: one request a connection; piped: pipelined; changing: its routes and backends change all the time. */
export type SoakService = 'alone' | 'piped' | 'changing';

const longStallMs = 1_000;
const FAULTS: readonly Fault[] = ['reset-before', 'end-before', 'reset-within', 'end-within', 'extra', 'says-close', 'closes', 'busy'];
const SIZES = [0, 1, 17, 300, 4_000, 9_000, 40_000, 70_000, 200_000];

/** The body of so many bytes that belongs to a token. */
export function patternOf(token: string, bytes: number): Buffer {
  return Buffer.alloc(bytes, `${token}.`);
}

export function sumOf(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}

/** Decisions from a seed. */
export class Luck {
  readonly #mutator: Mutator;

  constructor(seed: number) {
    this.#mutator = new Mutator(Math.imul(seed, 2_654_435_761) ^ 0x5bd1e995);
    for (let i = 0; i < 8; i++) this.#mutator.luck(2);
  }

  below(most: number): number {
    return this.#mutator.luck(most);
  }

  isOneIn(count: number): boolean {
    return this.below(count) === 0;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }
}

/** A plan by luck. */
export function drawPlan(luck: Luck, token: string): Plan {
  const method = luck.pick(['GET', 'GET', 'GET', 'GET', 'HEAD', 'POST', 'POST', 'PUT'] as const);
  const sends = method === 'POST' || method === 'PUT' || luck.isOneIn(20);
  const uploadBytes = sends ? luck.pick(SIZES) : 0;
  const hasFault = luck.isOneIn(5);
  const fault = hasFault ? (luck.isOneIn(60) ? luck.pick(['silent', 'stops-within'] as const) : luck.pick(FAULTS)) : 'none';
  return {
    token,
    service: luck.pick(['alone', 'piped', 'piped', 'changing']),
    method,
    upload: sends ? luck.pick(['length', 'chunked'] as const) : 'none',
    uploadBytes,
    asksFirst: sends && luck.isOneIn(6),
    status: luck.isOneIn(8) ? luck.pick([204, 304] as const) : 200,
    // Of a body that the end of its connection ends nobody can tell what is missing or too much.
    framing: luck.pick(
      fault === 'extra' || fault === 'end-within' ? (['length', 'chunked'] as const) : (['length', 'length', 'chunked', 'chunked', 'close'] as const),
    ),
    answerBytes: luck.pick(SIZES),
    informational: luck.isOneIn(6) ? 1 + luck.below(3) : 0,
    parts: 1 + luck.below(luck.isOneIn(4) ? 12 : 2),
    delayMs: luck.isOneIn(3) ? luck.below(luck.isOneIn(12) ? 200 : 6) : 0,
    isEarly: sends && luck.isOneIn(5),
    fault,
    faultTimes: luck.isOneIn(3) ? 3 : 1,
  };
}

/** Whether the gateway may send it twice. */
export function mayRepeat({ method }: Plan): boolean {
  return method !== 'POST';
}

/** What both ends know of the requests, and what was wrong. */
export class Ledger {
  readonly plans = new Map<string, Plan>();
  /** How often each came to a backend. */
  readonly arrived = new Map<string, number>();
  /** Those of whom a backend broke a connection: they may fail. */
  readonly broken = new Set<string>();
  /** Of them, those of whom one stopped in the middle of everything. */
  readonly silent = new Set<string>();
  /** Those whose answer came whole, with its status. */
  readonly whole = new Map<string, number>();
  /** Those that must never come to a backend, and why. */
  readonly unsent = new Map<string, string>();
  /** How the gateway says that each ended. */
  readonly ends = new Map<string, string[]>();
  readonly problems: string[] = [];
  readonly outcomes = new Map<string, number>();
  /** For how long this process stood still at most: what was too late by then may not have been. */
  worstStallMs = 0;
  /** When it did so last for so long that answers may have been late for that. */
  #stalledAt = Number.NEGATIVE_INFINITY;
  readonly #drawnAt = new Map<string, number>();
  #next = 0;

  /** A new request. */
  draw(luck: Luck): Plan {
    const plan = drawPlan(luck, `t${(this.#next++).toString(36).padStart(6, '0')}`);
    this.plans.set(plan.token, plan);
    this.#drawnAt.set(plan.token, monotonicNow());
    return plan;
  }

  stalled(forMs: number): void {
    this.worstStallMs = Math.max(this.worstStallMs, forMs);
    if (forMs > longStallMs) this.#stalledAt = monotonicNow();
  }

  hasStalledSince({ token }: Plan): boolean {
    return this.#stalledAt > (this.#drawnAt.get(token) ?? 0);
  }

  /** At the end: each request was counted once by the data plane, and those that came whole as such. */
  compareEnds(): void {
    for (const [token, ends] of this.ends) if (ends.length > 1) this.problem('was counted more than once', this.plans.get(token));
    for (const [token, status] of this.whole)
      if (!this.ends.get(token)?.[0]?.includes(` ${status} -- `)) this.problem('came whole, which the gateway does not say', this.plans.get(token));
  }

  count(outcome: string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }

  problem(what: string, plan?: Plan): void {
    if (this.problems.length < 20)
      this.problems.push(plan === undefined ? what : `${what}: ${JSON.stringify(plan)} ${(this.ends.get(plan.token) ?? []).join(' ')}`);
  }

  /** It came to a backend; how often it has. */
  arrive(plan: Plan): number {
    const times = (this.arrived.get(plan.token) ?? 0) + 1;
    this.arrived.set(plan.token, times);
    if (times > 1 && !mayRepeat(plan)) this.problem(`a POST came ${times} times`, plan);
    const why = this.unsent.get(plan.token);
    if (why !== undefined) this.problem(`came though ${why}`, plan);
    return times;
  }

  /** It must not come to a backend from now on, and must not have. */
  mustBeUnsent(plan: Plan, why: string): void {
    this.unsent.set(plan.token, why);
    if (this.arrived.has(plan.token)) this.problem(`came though ${why}`, plan);
  }
}
