import { messageOf } from '#base/errors';
import { formatAddress } from '#base/host-port';
import type { Backend, Route } from '#model/route';
import type { Check } from '#model/spec';
import type { Address, Instant, World } from '#world/world';
import { backendKey } from './dataplane/backend.ts';
import type { HealthUpdate } from './dataplane/dataplane.ts';

/** Used where neither backend nor route has a check: a connection that is accepted counts (H7). */
const CONNECT_CHECK: Check = { probe: { kind: 'tcp' }, intervalMs: 2_000, timeoutMs: 1_000, rise: 2, fall: 3 };
/**
 * The speeds beside a check's own interval: while a backend is changing its state and once it has been down for a while, and for a while after it came to pass
 * for the first time, because a deploy that goes on may go by it (H3).
 */
export const CHECK_PACE = { fastMs: 500, downMs: 5_000, downAfterMs: 10_000, youngMs: 1_000, youngForMs: 10_000, jitter: 0.1 } as const;
/** Checks begin in turns, so many in a check's interval, those of one turn together: to be woken for each of a thousand would cost twice as much. */
const turnsPerInterval = 10;
const mostBodyBytes = 64 * 1024;

/** One backend's health by active checks. */
export interface CheckedHealth extends HealthUpdate {
  readonly attempt: number;
  /** Raised at every change of `health`. */
  readonly transitions: number;
  /** It was so before this process began; the first check of its own is under way. */
  readonly isAssumed: boolean;
  readonly reason: string;
}

export type CheckResult = { readonly passed: true } | { readonly passed: false; readonly reachable: boolean; readonly reason: string };

/** What was known of a backend by checks of another process, or of an earlier life of this one. */
export type Assumed = Pick<CheckedHealth, 'key' | 'health' | 'reachable' | 'reason'>;

interface Checked {
  readonly controller: AbortController;
  readonly fingerprint: string;
  readonly address: Address;
  readonly check: Check;
  health: CheckedHealth;
  /** Results in a row that speak against its health as it is known. */
  streak: number;
  changedAt: Instant;
  /** It is asked at another moment than those that came with it. */
  isSpread: boolean;
}

/** Those that are asked at one moment. */
interface Turn {
  readonly timer: Disposable;
  readonly checks: Checked[];
}

/** Asks every backend of every route how it is, on connections of its own. */
export class HealthChecks implements Disposable {
  readonly #world: World;
  readonly #onChange: (changed: CheckedHealth) => void;
  readonly #checkedByKey = new Map<string, Checked>();
  readonly #assumed = new Map<string, Assumed>();
  /** By when they come. */
  readonly #turns = new Map<number, Turn>();

  constructor(world: World, onChange: (changed: CheckedHealth) => void) {
    this.#world = world;
    this.#onChange = onChange;
  }

  /** What these backends are taken for until the first check of each, which comes at once. Call it before they are configured. */
  assume(before: readonly Assumed[]): void {
    for (const assumed of before) if (assumed.health !== 'unknown') this.#assumed.set(assumed.key, assumed);
  }

  get all(): readonly CheckedHealth[] {
    return [...this.#checkedByKey.values()].map(({ health }) => health);
  }

  get(key: string): CheckedHealth | undefined {
    return this.#checkedByKey.get(key)?.health;
  }

  /** Checks exactly the backends of these routes from now on; what is known of those that stay is kept. */
  configure(routes: readonly Route[]): void {
    const wanted = new Set<string>();
    for (const route of routes) {
      for (const backend of route.backends) {
        const key = backendKey(backend);
        wanted.add(key);
        // One that drains is not asked any more: it may refuse already, and nobody would use the answer, unless it may still serve.
        const { usesDraining = false, stickyDrainMs = 0 } = route.settings ?? {};
        const isAsked = backend.state === 'active' || usesDraining || stickyDrainMs > 0;
        this.#ensure(key, backend, { check: backend.check ?? route.check ?? CONNECT_CHECK, isAsked });
      }
    }
    for (const [key, { controller }] of this.#checkedByKey) {
      if (wanted.has(key)) continue;
      controller.abort();
      this.#checkedByKey.delete(key);
    }
  }

  [Symbol.dispose](): void {
    for (const { controller } of this.#checkedByKey.values()) controller.abort();
    this.#checkedByKey.clear();
    for (const { timer } of this.#turns.values()) timer[Symbol.dispose]();
    this.#turns.clear();
  }

  #ensure(key: string, backend: Backend, { check, isAsked }: { readonly check: Check; readonly isAsked: boolean }): void {
    const fingerprint = JSON.stringify([check, backend.address, isAsked]);
    const known = this.#checkedByKey.get(key);
    if (known?.fingerprint === fingerprint) return;
    known?.controller.abort();
    const controller = new AbortController();
    const { attempt } = backend;
    const byHttp = check.probe.kind === 'http';
    const unknown = { health: 'unknown', reachable: true, transitions: 0, isAssumed: false, reason: 'not checked yet' } as const;
    const health = known?.health ?? { ...unknown, ...this.#takeAssumed(key), key, attempt };
    const { clock, random } = this.#world;
    // Those that are known already are spread over the interval; a new one is waited for, and what is only assumed is asked at once. Both are spread afterwards.
    const isSpread = health.health !== 'unknown' && !health.isAssumed;
    const { address } = backend;
    const checked: Checked = { controller, fingerprint, address, check, health: { ...health, byHttp }, streak: 0, changedAt: clock.now(), isSpread };
    this.#checkedByKey.set(key, checked);
    if (!isAsked) return;
    if (isSpread) this.#askLater(checked, check.intervalMs * random.next(), check.intervalMs);
    else this.#ask(checked);
  }

  #takeAssumed(key: string): Partial<CheckedHealth> {
    const assumed = this.#assumed.get(key);
    this.#assumed.delete(key);
    return assumed === undefined ? {} : { ...assumed, isAssumed: true };
  }

  /** Asks in the turn that is nearest to the end of this delay. */
  #askLater(checked: Checked, delayMs: number, intervalMs: number): void {
    const { clock } = this.#world;
    const now = clock.now();
    const turnMs = intervalMs / turnsPerInterval;
    const at = Math.max(Math.ceil(now / turnMs), Math.round((now + delayMs) / turnMs)) * turnMs;
    const turn = this.#turns.get(at) ?? { timer: clock.after(at - now, () => this.#take(at)), checks: [] };
    this.#turns.set(at, turn);
    turn.checks.push(checked);
  }

  #take(at: number): void {
    const checks = this.#turns.get(at)?.checks ?? [];
    this.#turns.delete(at);
    for (const checked of checks) this.#ask(checked);
  }

  #ask(checked: Checked): void {
    this.#check(checked).catch((error: unknown) => {
      this.#world.log.write('error', 'health check ended', { backend: checked.health.key, cause: messageOf(error) });
    });
  }

  async #check(checked: Checked): Promise<void> {
    const { signal } = checked.controller;
    if (signal.aborted) return;
    const result = await checkOnce(this.#world, checked.address, checked.check, signal);
    if (!signal.aborted) this.#took(checked, result);
  }

  #took(checked: Checked, result: CheckResult): void {
    const { clock, random } = this.#world;
    const { check } = checked;
    if (checked.health.isAssumed) checked.health = { ...checked.health, isAssumed: false };
    const agrees = result.passed === (checked.health.health === 'passing') && checked.health.health !== 'unknown';
    checked.streak = agrees ? 0 : checked.streak + 1;
    const needed = checked.health.health === 'unknown' ? 1 : result.passed ? check.rise : check.fall;
    if (checked.streak >= needed) {
      checked.streak = 0;
      checked.changedAt = clock.now();
      this.#change(checked, result);
    }
    const sinceMs = clock.now() - checked.changedAt;
    const isLongDown = !result.passed && sinceMs >= CHECK_PACE.downAfterMs;
    const isYoung = result.passed && checked.health.transitions === 1 && sinceMs < CHECK_PACE.youngForMs;
    const paceMs = paceOf(check, { isChanging: checked.streak > 0, isLongDown, isYoung });
    const spread = checked.isSpread ? 1 + CHECK_PACE.jitter * (2 * random.next() - 1) : random.next();
    checked.isSpread = true;
    this.#askLater(checked, paceMs * spread, paceMs);
  }

  #change(checked: Checked, result: CheckResult): void {
    const { health } = checked;
    checked.health = {
      ...health,
      health: result.passed ? 'passing' : 'failing',
      reachable: result.passed || result.reachable,
      transitions: health.transitions + 1,
      reason: result.passed ? '' : result.reason,
    };
    this.#onChange(checked.health);
  }
}

interface Phase {
  readonly isChanging: boolean;
  readonly isLongDown: boolean;
  readonly isYoung: boolean;
}

function paceOf({ intervalMs }: Check, phase: Phase): number {
  if (phase.isChanging) return Math.min(CHECK_PACE.fastMs, intervalMs);
  if (phase.isYoung) return Math.min(CHECK_PACE.youngMs, intervalMs);
  return phase.isLongDown ? Math.max(CHECK_PACE.downMs, intervalMs) : intervalMs;
}

/** One check. Only 2xx passes; a redirect does not (H4). */
export async function checkOnce(world: World, address: Address, check: Check, signal: AbortSignal): Promise<CheckResult> {
  const { probe, timeoutMs } = check;
  try {
    if (probe.kind === 'tcp') {
      await world.network.probe(address, { timeoutMs, signal });
      return { passed: true };
    }
    const headers = { host: formatAddress(address), 'user-agent': 'haven-gateway' };
    const answer = await world.network.request(address, { method: 'GET', path: probe.path, headers }, { timeoutMs, signal });
    let read = 0;
    for await (const part of answer.body) {
      read += part.length;
      if (read > mostBodyBytes) break;
    }
    const { status } = answer;
    if (status >= 200 && status < 300) return { passed: true };
    if (status >= 300 && status < 400) {
      const target = (answer.headers['location'] ?? 'elsewhere').slice(0, 200);
      return {
        passed: false,
        reachable: true,
        reason: `the check "${probe.path}" was redirected (${status}) to ${target}; only 2xx passes, so check a path that answers itself`,
      };
    }
    return { passed: false, reachable: true, reason: `the check "${probe.path}" was answered with ${status}` };
  } catch (error) {
    return { passed: false, reachable: false, reason: messageOf(error) };
  }
}
