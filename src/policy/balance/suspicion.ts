/** What a gateway knows of how one backend answers. All in ms. */
export interface AnswerFacts {
  /** How long its oldest unanswered request has waited; 0 = none waits. */
  readonly oldestWaitMs: number;
  /** How long ago it last began an answer; Infinity = never. */
  readonly sinceAnswerMs: number;
  /** The longest that an answer of it usually takes, see `AnswerTimes`; 0 = unknown. */
  readonly usualMs: number;
}

export const SUSPICION = { floorMs: 50, factor: 2, minPeerAnswers: 1 } as const;

/**
 * True when a backend has gone silent while its peers answer: all that it was asked waits, the oldest request for far longer than answers usually take, here or at
 * its peers. Not when peers are silent too (all slow down together, or nothing was asked of them), and not for one slow request beside others that are answered:
 * then the backend is not silent. A suspicion is only a reason to ask it, never to give up on it.
 */
export function isSuspect(backend: AnswerFacts, peers: readonly AnswerFacts[]): boolean {
  const silentMs = Math.min(backend.oldestWaitMs, backend.sinceAnswerMs);
  if (silentMs <= SUSPICION.floorMs) return false;
  let usualMs = backend.usualMs;
  let answering = 0;
  for (const peer of peers) {
    usualMs = Math.max(usualMs, peer.usualMs);
    // It has answered within our silence, and is not about as silent itself.
    if (peer.sinceAnswerMs < silentMs && 2 * Math.min(peer.oldestWaitMs, peer.sinceAnswerMs) <= silentMs) answering++;
  }
  if (silentMs <= Math.max(SUSPICION.floorMs, SUSPICION.factor * usualMs)) return false;
  return answering >= SUSPICION.minPeerAnswers && 2 * answering >= peers.length;
}

/** Mean and spread of answer times as in TCP's retransmission timer (RFC 6298, 2): `usualMs` is mean + 4 deviations. Changed in place, once per answer. */
export class AnswerTimes {
  #meanMs = 0;
  #deviationMs = 0;
  #any = false;

  add(answerMs: number): void {
    if (!this.#any) {
      this.#any = true;
      this.#meanMs = answerMs;
      this.#deviationMs = answerMs / 2;
      return;
    }
    this.#deviationMs += (Math.abs(answerMs - this.#meanMs) - this.#deviationMs) / 4;
    this.#meanMs += (answerMs - this.#meanMs) / 8;
  }

  get usualMs(): number {
    return this.#meanMs + 4 * this.#deviationMs;
  }
}

/** How long a suspect may take to answer when asked: longer than answers usually take, short enough that nobody waits for the dead. */
export function probeTimeoutMs(usualMs: number): number {
  return Math.min(250, Math.max(100, 2 * usualMs));
}
