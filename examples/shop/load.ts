// Users who browse and buy: npx node examples/shop/load.ts --rate 100 --seconds 30 --url http://127.0.0.1:7780
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { parseArgs } from 'node:util';
import { type ShopRequest, shopRequest } from './traffic.ts';

const ANSWERED_WITHIN_MS = 10_000;
const MOST_WAITING = 10_000;
const LONGEST_SECONDS = 86_400;
const HIGHEST_RATE = 20_000;

interface Outcome {
  readonly request: ShopRequest;
  /** 0: no answer. */
  readonly status: number;
  /** From when the request was due, not from when it could be sent: waiting for a slow shop counts. */
  readonly latencyMs: number;
  /** Why it is no good answer; empty if it is one. */
  readonly failure: string;
}

/** What happened in a second, or in the whole run. */
class Tally {
  readonly latenciesMs: number[] = [];
  readonly failures = new Map<string, number>();
  requests = 0;
  failed = 0;
  orders = 0;

  add({ request, status, latencyMs, failure }: Outcome): void {
    this.requests++;
    this.latenciesMs.push(latencyMs);
    if (status === 201 && request.path.startsWith('/order/')) this.orders++;
    if (failure === '') return;
    this.failed++;
    this.failures.set(failure, (this.failures.get(failure) ?? 0) + 1);
  }

  /** `p50 1.2 ms  p95 3.4 ms  p99 5.6 ms` */
  get latency(): string {
    const sorted = this.latenciesMs.toSorted((a, b) => a - b);
    return [50, 95, 99]
      .map((percent) => {
        const value = sorted[Math.ceil((sorted.length * percent) / 100) - 1];
        return `p${percent} ${(value === undefined ? '-' : `${value.toFixed(1)} ms`).padStart(9)}`;
      })
      .join('  ');
  }
}

const { rate, seconds, url } = readOptions();
const agent = new Agent({ keepAlive: true, maxSockets: 256, timeout: 4_000 });
const run = `load-${process.pid}-${Date.now().toString(36)}`;
const total = new Tally();
let second = new Tally();
let waiting = 0;
let secondsShown = 0;
let isStopped = false;
process.once('SIGINT', stop).once('SIGTERM', stop);
process.exitCode = await main();

function stop(): void {
  isStopped = true;
}

async function main(): Promise<number> {
  console.log(`${rate} requests/s to ${url.origin} for ${seconds} s; Ctrl-C ends it early`);
  const startedAt = performance.now();
  const ticker = setInterval(tick, 1_000);
  let sent = 0;
  while (!isStopped && sent < rate * seconds) {
    // As many as are due by now, whatever became of those before: slow answers do not make it slower.
    const due = Math.min(rate * seconds, Math.floor(((performance.now() - startedAt) * rate) / 1_000) + 1);
    for (; sent < due; sent++) send(sent, startedAt + (sent * 1_000) / rate);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  while (waiting > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  clearInterval(ticker);
  if (second.requests > 0) tick();
  agent.destroy();
  return summary((performance.now() - startedAt) / 1_000);
}

function send(index: number, dueAt: number): void {
  const request = shopRequest(index, run);
  const finish = (status: number, failure: string) => {
    const outcome: Outcome = { request, status, latencyMs: performance.now() - dueAt, failure };
    second.add(outcome);
    total.add(outcome);
  };
  if (waiting >= MOST_WAITING) {
    finish(0, `${MOST_WAITING} requests are waiting already`);
    return;
  }
  waiting++;
  let isOver = false;
  const once = (status: number, failure: string) => {
    if (isOver) return;
    isOver = true;
    waiting--;
    clearTimeout(timer);
    finish(status, failure);
  };
  const { method, path, headers, body } = request;
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const onAnswer = (answer: IncomingMessage) => {
    const { statusCode = 0 } = answer;
    answer.resume();
    answer.on('end', () => once(statusCode, statusCode >= 500 ? `status ${statusCode}` : ''));
    answer.on('error', (error) => once(0, error.message));
  };
  const call = httpRequest(new URL(path, url), { agent, method, headers: { ...headers, ...length } }, onAnswer);
  const timer = setTimeout(() => call.destroy(new Error(`no answer within ${ANSWERED_WITHIN_MS / 1_000} s`)), ANSWERED_WITHIN_MS);
  call.on('error', (error) => once(0, error.message));
  call.end(body);
}

function tick(): void {
  const { requests, failed, latency } = second;
  secondsShown++;
  const backlog = waiting > rate ? `  ${waiting} wait` : '';
  console.log(`${String(secondsShown).padStart(4)} s  ${String(requests).padStart(6)} requests  ${String(failed).padStart(4)} failed  ${latency}${backlog}`);
  second = new Tally();
}

/** 1 if a request failed. */
function summary(tookSeconds: number): number {
  const { requests, failed, orders, latency, failures } = total;
  console.log(`\n${requests} requests in ${tookSeconds.toFixed(1)} s, ${failed} failed, ${orders} orders placed\n${latency}`);
  for (const [failure, count] of failures) console.log(`${String(count).padStart(8)} × ${failure}`);
  return failed === 0 && requests > 0 ? 0 : 1;
}

function readOptions(): { readonly rate: number; readonly seconds: number; readonly url: URL } {
  try {
    const { values } = parseArgs({
      options: {
        rate: { type: 'string', default: '100' },
        seconds: { type: 'string', default: '30' },
        url: { type: 'string', default: 'http://127.0.0.1:7780' },
      },
    });
    const url = URL.parse(values.url);
    if (url?.protocol !== 'http:') throw new Error(`--url ${values.url} is not an address such as http://127.0.0.1:7780`);
    return { rate: numberOf('rate', values.rate, HIGHEST_RATE), seconds: numberOf('seconds', values.seconds, LONGEST_SECONDS), url };
  } catch (error) {
    console.error(`load: ${error instanceof Error ? error.message : error}\nUsage: node load.ts [--rate 100] [--seconds 30] [--url http://127.0.0.1:7780]`);
    process.exit(2);
  }
}

function numberOf(option: string, text: string, most: number): number {
  const value = Number(text);
  if (value > 0 && value <= most) return value;
  throw new Error(`--${option} ${text} is not a number above 0, at most ${most}`);
}
