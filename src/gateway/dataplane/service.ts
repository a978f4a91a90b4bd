import type { RateLimit, Route } from '#model/route';
import { AnswerLatency } from '#policy/balance/answer-latency';
import { type Balancer, DEFAULT_BALANCE, makeBalancer } from '#policy/balance/balancers';
import type { PickRequest } from '#policy/balance/candidate';
import type { RateLimiter } from '#policy/balance/rate-limit';
import { decideRetry, type RetryDecision, type TryFacts } from '#policy/balance/retry';
import { RetryBudget } from '#policy/balance/retry-budget';
import { rampWeights, SLOW_START } from '#policy/balance/slow-start';
import { pickBound, setCookieLine } from '#policy/balance/sticky';
import { chooseTier, type TierChoice } from '#policy/balance/tiers';
import { type Admission, type Admitted, admissionFor, limiterFor } from './admission.ts';
import { type Backend, backendKey } from './backend.ts';
import { monotonicNow } from './clock.ts';
import type { Exchange } from './exchange.ts';
import { Histogram } from './histogram.ts';
import { DEFAULT_TIMES, LIMITS, type ServiceTimes } from './limits.ts';
import { stickyTokenOf } from './sticky-token.ts';

/** What is asked of a backend under suspicion. */
const defaultProbePath = '/';

/** One route of the gateway in one worker: who may get its requests, and its counts. */
export class Service {
  readonly key: string;
  backends: readonly Backend[] = [];
  probePath = defaultProbePath;
  internalPort: number | undefined;
  /** Looks at requests before a backend is picked; most services need none. */
  admission: Admission | undefined;
  times: ServiceTimes = DEFAULT_TIMES;
  maxBodyBytes: number = LIMITS.bodyBytes;
  /** Its backends take several requests at once on one connection. */
  pipelines = false;
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
  #maxTries: number | undefined;
  #maxInFlight: number | undefined;
  #maxWaiting: number = LIMITS.heldRequests;
  #rateLimit: RateLimit | undefined;
  #limiter: RateLimiter | undefined;
  readonly #luck: () => number;
  readonly #request: PickRequest = { now: 0, luck: 0, keyHash: 0 };
  #choice: TierChoice<Backend> = { from: 'none', backends: [] };
  #ejected = 0;
  readonly #held: Exchange[] = [];

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
    this.#configureLimits(route);
    this.#configureSticky(route);
    this.admission = admissionFor(this.#balancer, route, this.#limiter);
    this.refresh();
  }

  #configureLimits({ settings = {}, rateLimit }: Route): void {
    const { connectTimeoutMs, answerTimeoutMs, idleTimeoutMs } = settings;
    this.times = {
      connectMs: connectTimeoutMs ?? DEFAULT_TIMES.connectMs,
      answerMs: answerTimeoutMs ?? DEFAULT_TIMES.answerMs,
      idleMs: idleTimeoutMs ?? DEFAULT_TIMES.idleMs,
    };
    this.pipelines = settings.pipeline ?? false;
    this.maxBodyBytes = settings.maxBodyBytes ?? LIMITS.bodyBytes;
    this.#maxTries = settings.maxTries;
    this.#maxInFlight = settings.maxInFlight;
    this.#maxWaiting = settings.maxWaiting ?? LIMITS.heldRequests;
    // An unchanged limit keeps what it has counted.
    if (JSON.stringify(rateLimit) !== JSON.stringify(this.#rateLimit)) this.#limiter = rateLimit && limiterFor(rateLimit);
    this.#rateLimit = rateLimit;
  }

  #configureSticky(route: Route): void {
    const { sticky } = this.#balancer;
    const secret = route.stickySecret ?? this.key;
    for (const backend of this.backends) {
      backend.stickyToken = sticky === undefined ? '' : stickyTokenOf(secret, backend.id);
      backend.stickyLine = sticky === undefined ? '' : setCookieLine({ name: sticky.cookie, token: backend.stickyToken, ttlMs: sticky.ttlMs, secure: false });
    }
  }

  /** The route is gone: what is in flight goes on, what is held fails. */
  retire(): void {
    this.backends = [];
    this.refresh();
    for (const exchange of this.#held.splice(0)) exchange.holdExpired();
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
  pickFor(tried: readonly Backend[] | undefined, now: number, who: Admitted): Backend | undefined {
    if (this.#ejected > 0) {
      const probed = this.backends.find((backend) => backend.isHalfOpen(now) && !tried?.includes(backend));
      if (probed !== undefined) {
        probed.isProbed = true;
        return probed;
      }
    }
    const request = this.#request;
    request.now = now;
    request.luck = this.#luck();
    request.keyHash = who.keyHash;
    if (this.#maxInFlight !== undefined) return this.#pickWithRoom(tried, who);
    const picked = this.#pick(tried, who);
    if (picked !== undefined || tried === undefined) return picked;
    // Nobody usable is left untried: rather one that looked bad than the same again.
    return this.backends.find((backend) => !backend.draining && backend.suspicion === 'none' && !tried.includes(backend));
  }

  #pick(excluded: readonly Backend[] | undefined, who: Admitted): Backend | undefined {
    const { backends } = this.#choice;
    const bound = who.stickyToken === '' ? undefined : pickBound(backends, excluded, who.stickyToken);
    return bound ?? this.#balancer.pick(backends, excluded, this.#request);
  }

  /** a backend that has all it may have is passed over; if all have, the request waits. */
  #pickWithRoom(tried: readonly Backend[] | undefined, who: Admitted): Backend | undefined {
    const picked = this.#pick(tried, who);
    if (picked === undefined || this.#hasRoom(picked)) return picked;
    return this.#pick(
      this.#choice.backends.filter((backend) => !this.#hasRoom(backend) || tried?.includes(backend)),
      who,
    );
  }

  /** A young backend has room for its share only, but always for one. */
  #hasRoom({ inFlight, weight, fullWeight }: Backend): boolean {
    const share = weight < fullWeight ? weight / fullWeight : 1;
    return inFlight < Math.max(1, (this.#maxInFlight ?? Number.POSITIVE_INFINITY) * share);
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
    const decision = decideRetry({ ...facts, budgetLeft: true, ...(this.#maxTries === undefined ? {} : { maxTries: this.#maxTries }) });
    if (!decision.retry || this.budget.take(now)) return decision;
    this.budgetExhausted++;
    return { retry: false, because: 'budget' };
  }

  countRetry(reason: string): void {
    this.retriesByReason.set(reason, (this.retriesByReason.get(reason) ?? 0) + 1);
  }

  /** Lets a request wait until somebody is usable. False if too many wait. */
  hold(exchange: Exchange): boolean {
    if (this.#held.length >= this.#maxWaiting) return false;
    this.heldTotal++;
    // Who was let go and found no room has its old place.
    let at = this.#held.length;
    while (at > 0 && (this.#held[at - 1] as Exchange).heldUntil > exchange.heldUntil) at--;
    this.#held.splice(at, 0, exchange);
    return true;
  }

  leaveHeld(exchange: Exchange): void {
    const index = this.#held.indexOf(exchange);
    if (index >= 0) this.#held.splice(index, 1);
  }

  /** A request has ended. */
  left(): void {
    this.inFlight--;
    if (this.#held.length > 0 && this.#maxInFlight !== undefined) this.releaseHeld();
  }

  releaseHeld(): void {
    if (this.#maxInFlight !== undefined) {
      for (let left = this.#held.length; left > 0 && this.#choice.backends.some((backend) => this.#hasRoom(backend)); left--)
        this.#held.shift()?.dispatchHeld();
      return;
    }
    for (const exchange of this.#held.splice(0)) exchange.dispatchHeld();
  }

  /** Lets one held request try whether somebody answers again, and gives up those that waited too long. */
  sweepHeld(now: number): void {
    for (const exchange of this.#held.filter(({ heldUntil }) => heldUntil <= now)) {
      this.leaveHeld(exchange);
      exchange.holdExpired();
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
