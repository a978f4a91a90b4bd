import { connect } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseName } from '#base/name';
import { Dataplane } from '#gateway/dataplane/dataplane';
import { type FuzzKind, FuzzTarget, Mutator } from '#gateway/dataplane/fuzz';
import { openRing } from '#gateway/dataplane/ring/open-ring';
import { RecordingBackend } from '#gateway/recording-backend';
import { instanceIdOf } from '#model/instance';
import { benchOptions } from './options.ts';

const help = `Mutated streams against the scanners of the gateway, and some of them through its data plane over sockets. Ends with 1 at the first finding.

  node bench/gateway-fuzz.ts [--streams 1000000] [--sockets 10000] [--seed 1]`;

const options = benchOptions(help, {
  streams: { type: 'string', default: '1000000' },
  sockets: { type: 'string', default: '10000' },
  seed: { type: 'string', default: '1' },
});
const streams = Number(options.streams);
const sockets = Number(options.sockets);
const seed = Number(options.seed);
const mostStallMs = 100;
const mostStreamMs = 5;
const mostGrowthBytes = 64 * 1024 * 1024;
const concurrentClients = 20;
const clientMs = 20_000;
const KINDS: readonly FuzzKind[] = ['request', 'request', 'answer', 'chunks'];

fuzzScanners();
await fuzzDataplane();

function fuzzScanners(): void {
  const mutator = new Mutator(seed);
  const target = new FuzzTarget();
  let slowestMs = 0;
  let slow = 0;
  const startedAt = performance.now();
  const before = process.memoryUsage().rss;
  for (let i = 0; i < streams; i++) {
    const kind = KINDS[i % KINDS.length] as FuzzKind;
    const bytes = mutator.stream(kind);
    const cuts = mutator.cuts(bytes.length);
    const at = performance.now();
    const finding = target.try(kind, bytes, cuts);
    const tookMs = performance.now() - at;
    slowestMs = Math.max(slowestMs, tookMs);
    if (tookMs > mostStreamMs) slow++;
    if (finding !== undefined) fail(`stream ${i}, ${kind}: ${finding}: ${JSON.stringify(bytes.toString('latin1'))} cut at ${cuts}`);
  }
  const grown = process.memoryUsage().rss - before;
  const seconds = (performance.now() - startedAt) / 1_000;
  print(`scanners: seed ${seed}, ${streams} streams in ${seconds.toFixed(1)} s, ${target.accepted} accepted, slowest ${slowestMs.toFixed(1)} ms,`);
  print(`  ${slow} over ${mostStreamMs} ms, memory ${(grown / 1_048_576).toFixed(1)} MiB more`);
  if (slowestMs > mostStallMs) fail(`one stream took ${slowestMs} ms`);
  if (grown > mostGrowthBytes) fail(`memory grew by ${grown} bytes`);
}

async function fuzzDataplane(): Promise<void> {
  using backend = new RecordingBackend();
  using dataplane = new Dataplane(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]), openRing().ring);
  const app = parseName('fuzz', 'an app');
  const service = parseName('web', 'a service');
  const address = { host: '127.0.0.1', port: await backend.listen() };
  const target = { id: instanceIdOf(app, service, 1, 1), name: 'web.1', attempt: 1, address, weight: 1, tier: 'primary', state: 'active' } as const;
  dataplane.apply(2, [{ app, service, matches: [{ host: '*', path: '/' }], balance: 'round-robin', backends: [target] }]);
  const bound = (await dataplane.listen('public', { host: '127.0.0.1', port: 0 })).address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const mutator = new Mutator(seed + 1);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const warmUpSockets = Math.min(100_000, sockets / 4);
  let before = process.memoryUsage().rss;
  const startedAt = performance.now();
  let sent = 0;
  for (let round = 0; sent < sockets; round++) {
    // Every third round the backend answers with mutated answers.
    backend.answer = round % 3 === 2 ? (socket) => socket.end(mutator.stream('answer')) : undefined;
    const size = Math.min(concurrentClients, sockets - sent);
    await Promise.all(Array.from({ length: size }, () => stream(port, mutator.stream('request'), mutator)));
    sent += size;
    // What this process takes once, with clients and backend, it has by then.
    if (sent - size < warmUpSockets && sent >= warmUpSockets) before = process.memoryUsage().rss;
    backend.answer = undefined;
    backend.requests.length = 0;
    const path = `/canary-${round}`;
    const text = await stream(port, Buffer.from(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`), undefined);
    if (!text.startsWith('HTTP/1.1 200 OK\r\n') || !text.endsWith(`\r\n\r\n${path}`)) fail(`canary ${round} got ${JSON.stringify(text)}`);
  }
  const grown = process.memoryUsage().rss - before;
  const slowestMs = delay.max / 1e6;
  const seconds = (performance.now() - startedAt) / 1_000;
  print(`data plane: ${sent} streams over sockets in ${seconds.toFixed(1)} s, longest stall of the event loop ${slowestMs.toFixed(1)} ms,`);
  print(
    `  memory ${(grown / 1_048_576).toFixed(1)} MiB more, ${dataplane.plane.clients.size} connections left, in flight ${dataplane.services.get('fuzz/web')?.inFlight}`,
  );
  if (slowestMs > mostStallMs) fail(`the event loop stood still for ${slowestMs} ms`);
  if (grown > mostGrowthBytes) fail(`memory grew by ${grown} bytes`);
  if (dataplane.services.get('fuzz/web')?.inFlight !== 0) fail('requests are still counted as in flight');
}

/** Sends a stream, in two parts if there is a mutator, ends its side if so, and waits for the end of the other. */
async function stream(port: number, bytes: Buffer, mutator: Mutator | undefined): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  const closed = Promise.withResolvers<void>();
  let text = '';
  socket.on('data', (data) => {
    text += data.toString('latin1');
  });
  socket.on('error', () => undefined);
  socket.on('end', () => socket.end());
  socket.on('close', () => closed.resolve());
  const timer = setTimeout(() => fail(`a connection stayed open for ${clientMs} ms: ${JSON.stringify(bytes.toString('latin1'))} got ${text}`), clientMs);
  const cut = mutator?.luck(bytes.length + 1) ?? bytes.length;
  socket.write(bytes.subarray(0, cut));
  await new Promise((resolve) => setImmediate(resolve));
  if (mutator !== undefined) socket.end(bytes.subarray(cut));
  await closed.promise;
  clearTimeout(timer);
  return text;
}

function fail(text: string): never {
  process.stderr.write(`found with seed ${seed}: ${text}\n`);
  process.exit(1);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
