import { AnswerLatency } from '#policy/balance/answer-latency';
import { makeBalancer } from '#policy/balance/balancers';
import type { BalanceCandidate, PickRequest } from '#policy/balance/candidate';
import { hashText } from '#policy/balance/key-hash';
import type { Dispatcher, Replicas } from './dispatchers.ts';

/** A replica as the gateway sees a backend. */
class Replica implements BalanceCandidate {
  readonly index: number;
  readonly hash: number;
  readonly weight = 1;
  readonly latency: AnswerLatency | undefined;
  effectiveWeight = 1;
  currentWeight = 0;
  inFlight = 0;

  constructor(index: number, latency: AnswerLatency | undefined) {
    this.index = index;
    this.hash = hashText(`replica.${index}`);
    this.latency = latency;
  }
}

/** A balance policy of the gateway, the very object that decides there, as a dispatcher. INVALID for an unknown name or option. */
export function gatewayDispatcher(text: string): Dispatcher {
  const balancer = makeBalancer(text);
  const request: PickRequest = { now: 0, luck: 0, keyHash: 0 };
  const { latency } = balancer;
  let candidates: readonly Replica[] = [];
  const see = (replicas: Replicas): void => {
    if (candidates.length !== replicas.count) {
      candidates = Array.from({ length: replicas.count }, (_, index) => new Replica(index, latency && new AnswerLatency(latency, 0)));
    }
    for (const candidate of candidates) candidate.inFlight = replicas.pending[candidate.index] as number;
  };
  return {
    name: balancer.text,
    pick: (replicas, now, random, key) => {
      see(replicas);
      request.now = now / 1_000;
      request.luck = random.next();
      request.keyHash = key;
      return balancer.pick(candidates, undefined, request)?.index ?? 0;
    },
    ...(latency === undefined ? {} : { answered: (replica, took, now) => candidates[replica]?.latency?.answered(took / 1_000, now / 1_000) }),
  };
}
