import type { Route } from '#model/route';
import { AnswerLatency } from '#policy/balance/answer-latency';
import { type Balancer, DEFAULT_BALANCE, makeBalancer } from '#policy/balance/balancers';
import type { PickRequest } from '#policy/balance/candidate';
import { decideRetry, type RetryDecision, type TryFacts } from '#policy/balance/retry';
import { RetryBudget } from '#policy/balance/retry-budget';
import { rampWeights, SLOW_START } from '#policy/balance/slow-start';
import { chooseTier, type TierChoice } from '#policy/balance/tiers';
import { type Backend, backendKey } from './backend.ts';
import type { ClientConnection } from './client-connection.ts';
import { monotonicNow } from './clock.ts';
import { Histogram } from './histogram.ts';
import { LIMITS } from './limits.ts';

/** What is asked of a backend under suspicion. */
const defaultProbePath = '/';

/** One route of the gateway in one worker: who may get its requests, and its counts. */
export class Service {
  readonly key: string;
  backends: readonly Backend[] = [];
  probePath = defaultProbePath;
  internalPort: number | undefined;
  readonly budget = new RetryBudget();
  readonly durations = new Histogram();
  /** Requests by hundreds of their status. */
  readonly answersByClass = new Float64Array(6);
  inFlight = 0;
  clientAborts = 0;
  heldTotal = 0;
  budgetExhausted = 0;
  readonly retriesByReason = new Map<string, number>();

  /** Some backend is still young: its weight grows. */
  isRamping = false;

  #balancer: Balancer = makeBalancer(DEFAULT_BALANCE);
  #slowStartMs: number = SLOW_START.rampMs;
  #isConfigured = false;
  readonly #luck: () => number;
  readonly #request: PickRequest = { now: 0, luck: 0, keyHash: 0 };
  #choice: TierChoice<Backend> = { from: 'none', backends: [] };
  #ejected = 0;
  readonly #held: ClientConnection[] = [];

  constructor(key: string, luck: () => number) {
    this.key = key;
    this.#luck = luck;
  }

  get tier(): TierChoice<Backend>['from'] {
    return this.#choice.from;
  }

  get heldCount(): number {
    return this.#held.length;
  }

  /** Takes over a new configuration; backends that stay keep all they have. */
  configure(route: Route, backendsByKey: ReadonlyMap<string, Backend>): void {
    const balancer = balancerOf(route.balance);
    const isOtherPolicy = balancer.text !== this.#balancer.text;
    if (isOtherPolicy) this.#balancer = balancer;
    this.#slowStartMs = route.slowStartMs ?? SLOW_START.rampMs;
    this.internalPort = route.internalPort;
    this.probePath = route.check?.probe.kind === 'http' ? route.check.probe.path : defaultProbePath;
    const before = new Set(this.backends);
    this.backends = route.backends.flatMap((config) => backendsByKey.get(backendKey(config)) ?? []);
    const now = monotonicNow();
    for (const backend of this.backends) {
      const isNew = !before.has(backend);
      if (isNew && this.#isConfigured) backend.wasOut = true;
      if (isNew || isOtherPolicy) backend.latency = balancer.latency && new AnswerLatency(balancer.latency, now);
    }
    this.#isConfigured = true;
    this.refresh();
  }

  /** The route is gone: what is in flight goes on, what is held fails. */
  retire(): void {
    this.backends = [];
    this.refresh();
    for (const client of this.#held.splice(0)) client.holdExpired();
  }

  /** Decides anew who is usable, after any change of health, ejection or configuration. */
  refresh(): void {
    this.#ejected = 0;
    for (const backend of this.backends) {
      if (backend.ejected) this.#ejected++;
      this.#noteAge(backend);
    }
    this.#choice = chooseTier(this.backends);
    if (this.isRamping) this.ramp(monotonicNow());
    if (this.#held.length > 0 && this.#choice.backends.length > 0 && this.#choice.from !== 'panic') this.releaseHeld();
  }

  /** Lets the weight of those that came or came back grow. Called every so often while `isRamping`. */
  ramp(now: number): void {
    this.isRamping = rampWeights(this.#choice.backends, now, this.#slowStartMs);
  }

  #noteAge(backend: Backend): void {
    // Being asked whether one is well is not being out.
    if (backend.health === 'failing' || backend.suspicion === 'silent' || backend.ejection.ejectedUntil !== 0) {
      backend.wasOut = true;
      backend.weight = backend.fullWeight;
    } else if (backend.wasOut && backend.health === 'passing') {
      backend.wasOut = false;
      backend.youngSince = monotonicNow();
      this.isRamping = true;
    }
  }

  /** The backend for a try; `tried` have failed this request already. `undefined`: nobody is left. */
  pickFor(tried: readonly Backend[] | undefined, now: number): Backend | undefined {
    if (this.#ejected > 0) {
      const probed = this.backends.find((backend) => backend.isHalfOpen(now) && !tried?.includes(backend));
      if (probed !== undefined) {
        probed.isProbed = true;
        return probed;
      }
    }
    const request = this.#request;
    if (this.#balancer.latency !== undefined) {
      request.now = now;
      request.luck = this.#luck();
    }
    const picked = this.#balancer.pick(this.#choice.backends, tried, request);
    if (picked !== undefined || tried === undefined) return picked;
    // Nobody usable is left untried: rather one that looked bad than the same again.
    return this.backends.find((backend) => !backend.draining && backend.suspicion === 'none' && !tried.includes(backend));
  }

  /** Counts a gateway failure of a backend and ejects it if that is the rule. */
  backendFailed(backend: Backend, now: number, luck: number): boolean {
    const ejects = backend.failed({ now, luck, backendCount: this.backends.length, ejectedCount: this.#ejected });
    if (ejects) this.refresh();
    return ejects;
  }

  countAnswer(status: number, durationMs: number): void {
    const answerClass = (status / 100) | 0;
    this.answersByClass[answerClass] = (this.answersByClass[answerClass] as number) + 1;
    this.durations.add(durationMs);
  }

  /** whether a failed try may be repeated. Takes from the budget only for one that may. */
  decideRetry(facts: Omit<TryFacts, 'budgetLeft'>, now: number): RetryDecision {
    const decision = decideRetry({ ...facts, budgetLeft: true });
    if (!decision.retry || this.budget.take(now)) return decision;
    this.budgetExhausted++;
    return { retry: false, because: 'budget' };
  }

  countRetry(reason: string): void {
    this.retriesByReason.set(reason, (this.retriesByReason.get(reason) ?? 0) + 1);
  }

  /** Lets a request wait until somebody is usable. False if too many wait. */
  hold(client: ClientConnection): boolean {
    if (this.#held.length >= LIMITS.heldRequests) return false;
    this.heldTotal++;
    this.#held.push(client);
    return true;
  }

  leaveHeld(client: ClientConnection): void {
    const index = this.#held.indexOf(client);
    if (index >= 0) this.#held.splice(index, 1);
  }

  releaseHeld(): void {
    for (const client of this.#held.splice(0)) client.dispatchHeld();
  }

  /** Lets one held request try whether somebody answers again, and gives up those that waited too long. */
  sweepHeld(now: number): void {
    for (const client of this.#held.filter(({ heldUntil }) => heldUntil <= now)) {
      this.leaveHeld(client);
      client.holdExpired();
    }
    if (this.#held.length > 0 && this.#choice.backends.length > 0) this.#held.shift()?.dispatchHeld();
  }
}

/** A policy that this version does not know is one of a newer control: rather another order than no answer. */
function balancerOf(text: string): Balancer {
  try {
    return makeBalancer(text);
  } catch {
    return makeBalancer(DEFAULT_BALANCE);
  }
}
