import type { InstanceId, Tier } from '#model/instance';
import type { Backend as BackendConfig } from '#model/route';
import type { AnswerLatency } from '#policy/balance/answer-latency';
import { type EjectionCause, type EjectionState, ejectionPhase, HEALTHY } from '#policy/balance/ejection';
import { hashText } from '#policy/balance/key-hash';
import type { RampedCandidate } from '#policy/balance/slow-start';
import type { StickyCandidate } from '#policy/balance/sticky';
import { AnswerTimes } from '#policy/balance/suspicion';
import type { BackendFacts } from '#policy/balance/tiers';
import { AnswerPace } from './answer-pace.ts';
import { Histogram } from './histogram.ts';
import { IntrusiveList } from './intrusive-list.ts';
import { LIMITS } from './limits.ts';
import { Pipeline } from './pipeline.ts';
import type { Plane } from './plane.ts';
import type { TcpTunnel } from './tcp-tunnel.ts';
import type { TunnelDrain } from './tunnel-drain.ts';
import type { UpstreamConnection } from './upstream-connection.ts';
import type { UpstreamTry } from './upstream-try.ts';

/** One process behind the gateway: another attempt of the same instance is another process, so another Backend. */
export function backendKey(backend: Pick<BackendConfig, 'id' | 'attempt'>): string {
  return `${backend.id}#${backend.attempt}`;
}

/** A worker's view of one backend: its connections, its health and how it answers. Kept over changes of configuration. */
export class Backend implements BackendFacts, StickyCandidate, RampedCandidate {
  readonly key: string;
  readonly id: InstanceId;
  readonly name: string;
  readonly attempt: number;
  readonly address: BackendConfig['address'];

  readonly hash: number;

  fullWeight: number;
  weight: number;
  effectiveWeight: number;
  currentWeight = 0;
  youngSince = Number.NEGATIVE_INFINITY;
  /** It was not usable when last looked at: once it is, it is young. */
  wasOut = false;
  latency: AnswerLatency | undefined;
  stickyToken = '';
  /** Binds a client to it, over TLS and without; '' where nobody is bound. */
  stickySecureLine = '';
  stickyLine = '';
  tier: Tier;
  draining: boolean;
  /** When it began to drain, in ms; while it does not, nothing. */
  drainingSince = 0;
  /** It is a backup whose tunnels are to end, because primaries serve again. */
  home: TunnelDrain | undefined;
  /** How long tunnels to it live on while it drains. */
  drainMs: number;
  health: BackendFacts['health'] = 'unknown';
  /** The last connection to it was not accepted. */
  refuses = false;
  ejection: EjectionState = HEALTHY;
  /** Silent among answering peers: asked at once, and out until it answers. */
  suspicion: 'none' | 'asked' | 'silent' = 'none';
  /** It said that it is about to go (503 and the end of the connection): not asked before. */
  leavingUntil = 0;
  /** Above how many ms its answers show that it is still slow, after an ejection for that. */
  slowLimitMs = Number.POSITIVE_INFINITY;
  /** Before it a suspect that has answered is not suspected again. */
  trustedUntil = 0;
  /** A half-open probe is under way. */
  isProbed = false;
  /** The parent was told that it is ejected or draining. */
  wasReported = false;

  /** Tries and tunnels in flight, oldest first. */
  readonly busy = new IntrusiveList<UpstreamTry>();
  /** Connections carried to it as they are, and those on their way to it. */
  readonly tcpTunnels = new Set<TcpTunnel>();
  /** Kept connections, the longest unused first; the last is taken first. */
  readonly idle: UpstreamConnection[] = [];
  /** Made when it is first needed. */
  pipeline: Pipeline | undefined;
  readonly times = new AnswerTimes();
  readonly durations = new Histogram();
  readonly pace = new AnswerPace(this.durations);
  /** Of connections that were made for a request. */
  readonly connects = new Histogram();
  lastAnswerAt = Number.NEGATIVE_INFINITY;

  answers = 0;
  failures = 0;
  readonly ejections: Record<EjectionCause | 'silent', number> = { failures: 0, errors: 0, slow: 0, silent: 0 };
  /** Times it said that it is about to go. */
  departures = 0;
  connectionsOpened = 0;
  connectionsReused = 0;
  /** Kept connections that ended as a request was sent on them. */
  connectionRaces = 0;

  constructor(config: BackendConfig) {
    this.key = backendKey(config);
    this.id = config.id;
    this.name = config.name;
    this.attempt = config.attempt;
    this.address = config.address;
    this.hash = hashText(config.id);
    this.fullWeight = config.weight;
    this.weight = config.weight;
    this.effectiveWeight = config.weight;
    this.tier = config.tier;
    this.draining = config.state === 'draining';
    this.drainMs = config.drainMs ?? LIMITS.tunnelDrainMs;
  }

  /** Grows with each of its counters, and with nothing else. */
  get events(): number {
    const { failures, errors, slow, silent } = this.ejections;
    const ofConnections = this.connects.count + this.connectionsOpened + this.connectionsReused + this.connectionRaces;
    return this.durations.count + this.answers + this.failures + this.departures + ofConnections + failures + errors + slow + silent;
  }

  get inFlight(): number {
    return this.busy.size + this.tcpTunnels.size;
  }

  /** What is silent answers as little as what refuses. */
  get reachable(): boolean {
    return !this.refuses && this.suspicion !== 'silent';
  }

  get ejected(): boolean {
    return this.suspicion !== 'none' || this.ejection.ejectedUntil !== 0 || this.leavingUntil !== 0;
  }

  /** It has no connections, and nothing about it is to change with time. */
  get rests(): boolean {
    const isUnused = this.inFlight === 0 && this.idle.length === 0 && this.pipeline === undefined;
    return isUnused && !this.ejected && !this.draining && this.home === undefined;
  }

  update(config: BackendConfig): void {
    if (this.fullWeight !== config.weight) {
      this.fullWeight = config.weight;
      this.weight = config.weight;
      this.effectiveWeight = config.weight;
    }
    this.tier = config.tier;
    this.draining = config.state === 'draining';
    this.drainMs = config.drainMs ?? LIMITS.tunnelDrainMs;
    if (!this.draining) this.drainingSince = 0;
    else this.closeIdle();
  }

  /** The most recently used connection that is surely still wanted by the other side. */
  takeIdle(now: number): UpstreamConnection | undefined {
    for (let upstream = this.idle.pop(); upstream !== undefined; upstream = this.idle.pop()) {
      if (upstream.idleUntil > now) {
        this.connectionsReused++;
        return upstream;
      }
      upstream.close();
    }
    return undefined;
  }

  pipelineOn(plane: Plane): Pipeline {
    this.pipeline ??= new Pipeline(plane, this);
    return this.pipeline;
  }

  keepIdle(upstream: UpstreamConnection): boolean {
    if (this.draining || this.ejected || this.idle.length >= LIMITS.idleBurstPerBackend) return false;
    this.idle.push(upstream);
    return true;
  }

  forgetIdle(upstream: UpstreamConnection): void {
    const index = this.idle.lastIndexOf(upstream);
    if (index >= 0) this.idle.splice(index, 1);
  }

  closeIdle(): void {
    for (const upstream of this.idle.splice(0)) upstream.close();
    this.pipeline?.close();
  }

  /** Closes what has been unused for too long, and what a burst of requests has left. */
  sweepIdle(now: number): void {
    const { idle } = this;
    const spare = idle.length - LIMITS.idlePerBackend;
    let expired = 0;
    for (let oldest = idle[0]; oldest !== undefined; oldest = idle[++expired]) {
      if (oldest.idleUntil > now && (expired >= spare || now - oldest.idleSince < LIMITS.idleBurstMs)) break;
    }
    if (expired > 0) for (const upstream of idle.splice(0, expired)) upstream.close();
  }

  /** An answer has begun; what it says of the backend is for the service to judge. */
  answered(now: number, answerMs: number, status: number): void {
    this.lastAnswerAt = now;
    this.answers++;
    this.times.add(answerMs);
    this.durations.add(answerMs);
    if (this.latency === undefined || status === 101) return;
    if (status >= 500) this.latency.failed(answerMs, now);
    else this.latency.answered(answerMs, now);
  }

  /** An HTTP check that failed passes: it need not be tried by a user first. */
  recovered(): void {
    this.ejection = HEALTHY;
    this.leavingUntil = 0;
    this.isProbed = false;
    this.pace.forget();
  }

  /** It was ejected, its time is over, and nobody tries it yet. While its checks fail nobody need try it to know. */
  isHalfOpen(now: number): boolean {
    return this.health !== 'failing' && this.suspicion === 'none' && !this.isProbed && !this.draining && ejectionPhase(this.ejection, now) === 'half-open';
  }
}
