import type { RateLimit, Route } from '#model/route';
import { AnswerLatency } from '#policy/balance/answer-latency';
import { type Balancer, DEFAULT_BALANCE, makeBalancer } from '#policy/balance/balancers';
import { PickRequest } from '#policy/balance/candidate';
import { HEALTHY } from '#policy/balance/ejection';
import type { RateLimiter } from '#policy/balance/rate-limit';
import { decideRetry, type RetryCondition, type RetryDecision, type TryFacts } from '#policy/balance/retry';
import { RetryBudget } from '#policy/balance/retry-budget';
import { rampWeights } from '#policy/balance/slow-start';
import { pickBound, setCookieLine } from '#policy/balance/sticky';
import { chooseTier, type TierChoice } from '#policy/balance/tiers';
import { type Admission, type Admitted, admissionFor, limiterFor } from './admission.ts';
import { type Backend, backendKey } from './backend.ts';
import { monotonicNow } from './clock.ts';
import { type BackendAnswer, Ejections } from './ejections.ts';
import { HeldQueue, type HeldRequest } from './held-queue.ts';
import { LIMITS, type ServiceTimes } from './limits.ts';
import { ServiceCounts } from './service-counts.ts';
import { balancerOf, policyOf, type ServicePolicy } from './service-policy.ts';
import { stickyTokenOf } from './sticky-token.ts';
import { TcpCounts } from './tcp-counts.ts';

/** What is asked of a backend under suspicion. */
const defaultProbePath = '/';
/** A request that cannot be repeated is not the one that tries an ejected backend, unless none else comes for so long. */
const safeProbeMs = 5_000;
/** After the last answer: by then what was counted of how quickly a backend answers is too old to say anything, and was dropped. */
const restAfterMs = 11_000;

/** One route of the gateway in one worker: who may get its requests, and its counts. */
export class Service {
  readonly key: string;
  backends: readonly Backend[] = [];
  probePath = defaultProbePath;
  internalPort: number | undefined;
  /** What clients have to prove. */
  clientPolicy: Route['clientPolicy'];
  /** Looks at requests before a backend is picked; most services need none. */
  admission: Admission | undefined;
  readonly budget = new RetryBudget();
  readonly counts = new ServiceCounts();
  inFlight = 0;
  readonly tcp = new TcpCounts();

  /** Something of it is under way, or was not long ago, or it was changed: it has to be swept. */
  isAwake = false;
  /** Its route is gone: nobody looks after who waits. */
  isRetired = false;

  /** Some backend is still young: its weight grows. */
  isRamping = false;

  #policy: ServicePolicy = policyOf({});
  #balancer: Balancer = makeBalancer(DEFAULT_BALANCE);
  #isConfigured = false;
  #rateLimit: RateLimit | undefined;
  #limiter: RateLimiter | undefined;
  readonly #luck: () => number;
  readonly #woken: (service: Service) => void;
  readonly #request = new PickRequest();
  readonly #ejections: Ejections;
  #choice: TierChoice<Backend> = { from: 'none', backends: [] };
  readonly #held = new HeldQueue();

  /** `woken` is called whenever it comes to be awake. */
  constructor(key: string, luck: () => number, woken: (service: Service) => void) {
    this.key = key;
    this.#luck = luck;
    this.#woken = woken;
    this.#ejections = new Ejections(luck);
  }

  get tier(): TierChoice<Backend>['from'] {
    return this.#choice.from;
  }

  get times(): ServiceTimes {
    return this.#policy.times;
  }

  get maxBodyBytes(): number {
    return this.#policy.maxBodyBytes;
  }

  /** what is done with fields of other names than letters, digits and hyphens. */
  get oddFieldNames(): ServicePolicy['oddFieldNames'] {
    return this.#policy.oddFieldNames;
  }

  /** Its backends take several requests at once on one connection. */
  get pipelines(): boolean {
    return this.#policy.pipelines;
  }

  get heldCount(): number {
    return this.#held.size;
  }

  /** Answers of this status may be worth another try. */
  retriesOn(condition: RetryCondition): boolean {
    return this.#policy.retryOn.has(condition);
  }

  /** Takes over a new configuration; backends that stay keep all they have. */
  configure(route: Route, backendsByKey: ReadonlyMap<string, Backend>): void {
    const balancer = balancerOf(route.balance);
    const isOtherPolicy = balancer.text !== this.#balancer.text;
    if (isOtherPolicy) this.#balancer = balancer;
    this.#policy = policyOf(route);
    this.#ejections.options = this.#policy.ejection;
    this.internalPort = route.internalPort;
    this.clientPolicy = route.clientPolicy;
    this.probePath = route.check?.probe.kind === 'http' ? route.check.probe.path : defaultProbePath;
    const before = new Set(this.backends);
    this.backends = route.backends.flatMap((config) => backendsByKey.get(backendKey(config)) ?? []);
    const now = monotonicNow();
    for (const backend of this.backends) {
      const isNew = !before.has(backend);
      if (isNew && this.#isConfigured) backend.wasOut = true;
      if (isNew || isOtherPolicy) backend.latency = balancer.latency && new AnswerLatency(balancer.latency, now);
      if (backend.draining && backend.drainingSince === 0) backend.drainingSince = now;
    }
    this.#isConfigured = true;
    // An unchanged limit keeps what it has counted.
    if (JSON.stringify(route.rateLimit) !== JSON.stringify(this.#rateLimit)) this.#limiter = route.rateLimit && limiterFor(route.rateLimit);
    this.#rateLimit = route.rateLimit;
    this.#configureSticky(route);
    this.admission = admissionFor(this.#balancer, route, this.#limiter, this.counts);
    this.refresh();
  }

  #configureSticky(route: Route): void {
    const { sticky } = this.#balancer;
    const secret = route.stickySecret ?? this.key;
    for (const backend of this.backends) {
      const token = sticky === undefined ? '' : stickyTokenOf(secret, backend.id);
      const line = (secure: boolean) => (sticky === undefined ? '' : setCookieLine({ name: sticky.cookie, token, ttlMs: sticky.ttlMs, secure }));
      backend.stickyToken = token;
      backend.stickyLine = line(false);
      backend.stickySecureLine = line(true);
    }
  }

  /** The route is gone: what is in flight goes on, what is held fails. */
  retire(): void {
    this.isRetired = true;
    this.backends = [];
    this.refresh();
    this.#held.giveUpAll();
  }

  /** Decides anew who is usable, after any change of health, ejection or configuration. */
  refresh(): void {
    this.#wake();
    this.#ejections.look(this.backends);
    for (const backend of this.backends) this.#noteAge(backend);
    const before = this.#choice.from;
    this.#choice = chooseTier(this.backends, this.#policy.tiers);
    if (this.#choice.from === 'panic' && before !== 'panic') this.counts.panics++;
    this.#sendHome(this.#choice.from === 'primary' ? this.#policy.backupDrainMs : undefined);
    if (this.isRamping) this.ramp(monotonicNow());
    if (this.#held.size > 0 && this.#isServing) this.releaseHeld();
  }

  /** what is open at backups ends within this time, which begins when primaries serve again, or when it came there if that was later; `undefined`: it goes on. */
  #sendHome(drainMs: number | undefined): void {
    for (const backend of this.backends) {
      if (drainMs === undefined || backend.tier === 'primary') backend.home = undefined;
      else if (backend.home?.drainMs !== drainMs) backend.home = { since: monotonicNow(), drainMs, isForEach: true };
    }
  }

  /** Somebody is usable, rather than merely all there is. */
  get #isServing(): boolean {
    const { from, backends } = this.#choice;
    return backends.length > 0 && from !== 'panic' && (from !== 'single' || (backends[0] as Backend).reachable);
  }

  /** Somebody other than this backend may serve what it was given. */
  canLeave(backend: Backend): boolean {
    return this.#choice.backends.some((other) => other !== backend && other.reachable);
  }

  /** Lets the weight of those that came or came back grow. Called every so often while `isRamping`. */
  ramp(now: number): void {
    this.isRamping = rampWeights(this.#choice.backends, now, this.#policy.slowStartMs);
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

  /** A usable backend for a try, of those that are not in `tried`: they have failed this request already. `undefined`: nobody is left. */
  pickFor(tried: readonly Backend[] | undefined, now: number, who: Admitted): Backend | undefined {
    if (this.#ejections.count > 0) {
      const probed = this.#halfOpen(tried, now, who);
      if (probed !== undefined) return probed;
    }
    const request = this.#request;
    request.now = now;
    request.luck = this.#luck();
    request.keyHash = who.keyHash;
    if (this.#policy.maxInFlight !== undefined) return this.#pickWithRoom(tried, who);
    return this.#pick(tried, who);
  }

  /** Nobody usable is left untried: rather one that looked bad than the same again. */
  pickDoubtful(tried: readonly Backend[]): Backend | undefined {
    if (this.#policy.maxInFlight !== undefined) return undefined;
    return this.backends.find((backend) => !backend.draining && backend.suspicion === 'none' && !tried.includes(backend));
  }

  #halfOpen(tried: readonly Backend[] | undefined, now: number, who: Admitted): Backend | undefined {
    const since = who.mayRepeat ? now : now - safeProbeMs;
    const { from } = this.#choice;
    // a backup that nobody needs now is tried when somebody does.
    const needsBackups = from !== 'primary' && from !== 'unchecked';
    const probed = this.backends.find((backend) => backend.isHalfOpen(since) && (needsBackups || backend.tier === 'primary') && !tried?.includes(backend));
    if (probed !== undefined) probed.isProbed = true;
    return probed;
  }

  #pick(excluded: readonly Backend[] | undefined, who: Admitted): Backend | undefined {
    const { backends } = this.#choice;
    if (who.stickyToken !== '') {
      const bound = pickBound(backends, excluded, who.stickyToken) ?? this.#boundToDraining(excluded, who.stickyToken);
      if (bound !== undefined) return bound;
    }
    return this.#balancer.pick(backends, excluded, this.#request);
  }

  /** clients that are bound to one that drains are served by it for a while, and then bound to another. */
  #boundToDraining(excluded: readonly Backend[] | undefined, token: string): Backend | undefined {
    const { stickyDrainMs } = this.#policy;
    if (stickyDrainMs === 0) return undefined;
    const bound = pickBound(this.backends, excluded, token);
    if (bound === undefined || !bound.draining || bound.ejected || bound.health === 'failing') return undefined;
    return this.#request.now - bound.drainingSince <= stickyDrainMs ? bound : undefined;
  }

  /** a backend that has all it may have is passed over; if all have, the request waits. */
  #pickWithRoom(tried: readonly Backend[] | undefined, who: Admitted): Backend | undefined {
    const picked = this.#pick(tried, who);
    const most = this.#policy.maxInFlight ?? Number.POSITIVE_INFINITY;
    if (picked === undefined || hasRoom(picked, most)) return picked;
    return this.#pick(
      this.#choice.backends.filter((backend) => !hasRoom(backend, most) || tried?.includes(backend)),
      who,
    );
  }

  /** A try at it failed, and not because of the client. True if this ejects it. */
  backendFailed(backend: Backend, now: number): boolean {
    return this.#changed(this.#ejections.failed(backend, now));
  }

  /** It began an answer. True if this changes who is usable. */
  backendAnswered(backend: Backend, answer: BackendAnswer, now: number): boolean {
    if (answer.status < 500 && backend.ejection === HEALTHY) return false;
    return this.#changed(this.#ejections.answered(backend, answer, now));
  }

  #changed(changed: boolean): boolean {
    if (changed) this.refresh();
    return changed;
  }

  /** whether a failed try may be repeated. Takes from the budget only for one that may. */
  decideRetry(facts: Omit<TryFacts, 'budgetLeft' | 'maxTries'>, now: number): RetryDecision {
    const decision = decideRetry({ ...facts, budgetLeft: true, maxTries: this.#policy.maxTries });
    if (!decision.retry || this.budget.take(now)) return decision;
    this.counts.budgetExhausted++;
    return { retry: false, because: 'budget' };
  }

  /** Lets a request wait until somebody is usable. False if too many wait, or nobody will ever be. */
  hold(request: HeldRequest): boolean {
    if (this.isRetired) return false;
    if (!this.#held.add(request, { requests: this.#policy.maxWaiting, bytes: LIMITS.heldBytes })) {
      this.counts.overflows++;
      return false;
    }
    this.counts.held++;
    return true;
  }

  /** There are backends, but they have all they may have. */
  get isFull(): boolean {
    return this.#policy.maxInFlight !== undefined && this.#choice.backends.length > 0;
  }

  leaveHeld(request: HeldRequest): void {
    this.#held.remove(request);
  }

  /** A request has begun; `left` follows. */
  entered(): void {
    this.inFlight++;
    this.#wake();
  }

  /** A request has ended. */
  left(): void {
    this.inFlight--;
    if (this.#held.size > 0 && (this.#policy.maxInFlight !== undefined || this.#isServing)) this.releaseHeld();
  }

  /** Not all at once: who has just come back would drown in what has piled up. */
  releaseHeld(): void {
    const most = this.#policy.maxInFlight ?? LIMITS.releasedPerBackend;
    this.#held.release(() => this.#choice.backends.some((backend) => hasRoom(backend, most)));
  }

  /** Called every so often: gives up what waited too long, and looks who is slow or back. True if that changes who is usable. */
  sweep(now: number): boolean {
    if (this.isRamping) this.ramp(now);
    const changed = this.#changed(this.#ejections.sweep(now));
    if (this.#held.size > 0) this.#held.sweep(now, this.#choice.backends.length > 0);
    return changed;
  }

  #wake(): void {
    if (this.isAwake) return;
    this.isAwake = true;
    this.#woken(this);
  }

  /** Of a thousand services most have nothing to do: one that has not is no longer awake. True if that is so now. */
  rest(now: number): boolean {
    if (
      this.inFlight > 0 ||
      this.#held.size > 0 ||
      this.isRamping ||
      !this.backends.every((backend) => backend.rests && now - backend.lastAnswerAt > restAfterMs)
    )
      return false;
    this.isAwake = false;
    return true;
  }
}

/** A young backend has room for its share only, but always for one. */
function hasRoom({ inFlight, weight, fullWeight }: Backend, most: number): boolean {
  return inFlight < Math.max(1, weight < fullWeight ? (most * weight) / fullWeight : most);
}
