import { AnswerLatency } from '#policy/balance/answer-latency';
import { BALANCERS, makeBalancer } from '#policy/balance/balancers';
import { ExampleCandidate, exampleLuck } from '#policy/balance/candidate-fixture';
import { RateLimiter } from '#policy/balance/rate-limit';
import { benchOptions } from './options.ts';

const help = `What one decision of each balance policy of the gateway costs, and one update of what it is made from.

  node bench/balance.bench.ts`;

const ROUNDS = 7;
const DECISIONS = 500_000;

/** Median ns per call over some rounds; garbage is what the heap grew by, in bytes per call, in the quietest round. */
function measure(call: (i: number) => void): string {
  for (let i = 0; i < DECISIONS; i++) call(i);
  const rounds = Array.from({ length: ROUNDS }, () => {
    const heap = process.memoryUsage().heapUsed;
    const start = process.hrtime.bigint();
    for (let i = 0; i < DECISIONS; i++) call(i);
    const ns = Number(process.hrtime.bigint() - start) / DECISIONS;
    return { ns, bytes: Math.max(0, process.memoryUsage().heapUsed - heap) / DECISIONS };
  });
  const median = rounds.map(({ ns }) => ns).toSorted((a, b) => a - b)[ROUNDS >> 1] ?? 0;
  const garbage = Math.min(...rounds.map(({ bytes }) => bytes));
  return `${median.toFixed(0).padStart(6)} ns  ${garbage.toFixed(1).padStart(6)} B`;
}

benchOptions(help, {});
let sink = 0;
const luck = exampleLuck(1);
for (const count of [3, 10, 100]) {
  for (const name of Object.keys(BALANCERS)) {
    const balancer = makeBalancer(name);
    const candidates = Array.from({ length: count }, (_, i) => {
      const candidate = new ExampleCandidate(`web.${i}`, 1, balancer.latency && new AnswerLatency(balancer.latency, 0));
      candidate.inFlight = i % 4;
      return candidate;
    });
    const request = { now: 0, luck: 0, keyHash: 0 };
    const result = measure((i) => {
      request.now = i * 0.05;
      request.luck = luck();
      request.keyHash = i;
      sink += balancer.pick(candidates, undefined, request)?.hash ?? 0;
    });
    process.stdout.write(`${`${name}, ${count} backends`.padEnd(32)}${result}\n`);
  }
}
const latency = new AnswerLatency({ decayMs: 10_000, penaltyMs: 1_000, initialMs: 30 }, 0);
process.stdout.write(`${'latency of one answer'.padEnd(32)}${measure((i) => latency.answered(5 + (i & 7), i * 0.05))}\n`);
const limiter = new RateLimiter({ ratePerSecond: 1e9, burst: 1_000, maxKeys: 65_536 });
const addresses = Array.from({ length: 10_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
process.stdout.write(
  `${'rate limit, 10,000 clients'.padEnd(32)}${measure((i) => {
    sink += limiter.take(addresses[i % 10_000] as string, i);
  })}\n`,
);
if (Number.isNaN(sink)) throw new Error('the picks were thrown away');
