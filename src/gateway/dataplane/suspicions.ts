import { isSuspect, probeTimeoutMs } from '#policy/balance/suspicion';
import type { Backend } from './backend.ts';
import type { Plane } from './plane.ts';
import { probe } from './probe.ts';
import type { Service } from './service.ts';

const silentProbePeriodMs = 500;
const trustMs = 1_000;

/** Notices backends that have gone silent while their peers answer, asks them, and takes out those that do not answer (see `isSuspect`). */
export class Suspicions {
  readonly #plane: Plane;
  readonly #services: ReadonlyMap<string, Service>;
  readonly #backends: ReadonlyMap<string, Backend>;

  constructor(plane: Plane, services: ReadonlyMap<string, Service>, backends: ReadonlyMap<string, Backend>) {
    this.#plane = plane;
    this.#services = services;
    this.#backends = backends;
  }

  /** Called every so often. False if nothing is in flight, so that there is nobody to suspect. */
  sweep(): boolean {
    const now = this.#plane.tick();
    let isBusy = false;
    for (const service of this.#plane.awake) {
      if (service.inFlight === 0) continue;
      isBusy = true;
      if (service.pipelines) for (const backend of service.backends) backend.pipeline?.sweep(now);
      if (service.backends.length < 2) continue;
      for (const backend of service.backends) {
        if (backend.suspicion !== 'none' || backend.busy.first === undefined || now < backend.trustedUntil) continue;
        if (looksSilent(service, backend, now)) this.#ask(service, backend);
      }
    }
    return isBusy;
  }

  /** A suspect gets no new requests and is asked at once. */
  #ask(service: Service, backend: Backend): void {
    const wasSilent = backend.suspicion === 'silent';
    if (!wasSilent) backend.suspicion = 'asked';
    service.refresh();
    const usualMs = Math.max(...service.backends.map(({ times }) => times.usualMs));
    probe(backend.address, { path: service.probePath, timeoutMs: probeTimeoutMs(usualMs) }, (answered) => {
      this.#plane.tick();
      if (this.#backends.get(backend.key) !== backend) return;
      if (answered) {
        this.#clear(backend);
        backend.trustedUntil = this.#plane.now() + trustMs;
        if (wasSilent) this.#plane.onReport();
      } else if (!wasSilent && !looksSilent(service, backend, this.#plane.now())) {
        // The peers have fallen silent meanwhile: it is not this backend.
        this.#clear(backend);
      } else this.#stillSilent(service, backend);
    });
  }

  #clear(backend: Backend): void {
    backend.suspicion = 'none';
    this.#refreshServicesOf(backend);
  }

  /** Out until it answers. What may be repeated goes elsewhere, also what came to it since because there was nobody else; what may not waits on. */
  #stillSilent(service: Service, backend: Backend): void {
    if (backend.suspicion !== 'silent') {
      backend.suspicion = 'silent';
      backend.ejections.silent++;
      backend.closeIdle();
      this.#refreshServicesOf(backend);
      this.#plane.onReport();
    }
    if (service.canLeave(backend)) {
      for (const upstream of backend.busy.toArray()) {
        if (!upstream.isAnswering && upstream.exchange?.mayMove) upstream.failTry('silent');
      }
    }
    this.#plane.later(silentProbePeriodMs, () => {
      if (backend.suspicion === 'silent' && this.#backends.get(backend.key) === backend) this.#ask(service, backend);
    });
  }

  #refreshServicesOf(backend: Backend): void {
    for (const service of this.#services.values()) if (service.backends.includes(backend)) service.refresh();
  }
}

function looksSilent(service: Service, backend: Backend, now: number): boolean {
  const peers = service.backends.filter((peer) => peer !== backend && !peer.draining && peer.suspicion === 'none' && peer.answers > 0);
  return isSuspect(
    answerFacts(backend, now),
    peers.map((peer) => answerFacts(peer, now)),
  );
}

function answerFacts(backend: Backend, now: number): Parameters<typeof isSuspect>[0] {
  let oldestWaitMs = 0;
  for (let upstream = backend.busy.first; upstream !== undefined; upstream = upstream.next) {
    if (upstream.isAnswering) continue;
    oldestWaitMs = now - upstream.sentAt;
    break;
  }
  return { oldestWaitMs, sinceAnswerMs: now - backend.lastAnswerAt, usualMs: backend.times.usualMs };
}
