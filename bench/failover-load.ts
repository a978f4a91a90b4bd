import { writeFileSync } from 'node:fs';
import { type LoadResult, runLoad } from '#cli/load/open-loop';

/**
 * Open-loop load in a process of its own: PORT, RATE, SECONDS, POST_SHARE, OUT (a file). BURST_EVERY_MS and BURST send so many at once now and then instead.
 * Each line of OUT: when the request was due (ms since 1970), latency from then in ms, method, and its failure or `-`.
 */
const rate = Number(process.env['RATE']);
const seconds = Number(process.env['SECONDS']);
const postShare = Number(process.env['POST_SHARE'] ?? 0.1);
const burstEveryMs = Number(process.env['BURST_EVERY_MS'] ?? 0);
const burst = Number(process.env['BURST'] ?? 0);
const address = { host: '127.0.0.1', port: Number(process.env['PORT']) };
const run = process.env['RUN'] ?? 'run';
const lines: string[] = [];

async function send(options: { readonly from: number; readonly durationMs: number }): Promise<void> {
  const startedAt = performance.timeOrigin + performance.now();
  const periodMs = 1_000 / rate;
  await runLoad({
    address,
    ratePerSecond: rate,
    connections: 1_024,
    durationMs: options.durationMs,
    nextRequest: (index) => {
      const id = options.from + index;
      const isPost = Math.floor(id * postShare) < Math.floor((id + 1) * postShare);
      const headers = { 'x-id': `${run}-${id}` };
      return isPost ? { method: 'POST', path: '/load', headers, body: 'body' } : { method: 'GET', path: '/load', headers };
    },
    onResult: ({ index, latencyMs, method, failure, proxyStatus }: LoadResult) => {
      const why = failure === undefined ? '-' : `${failure} ${proxyStatus ?? ''}`;
      lines.push(`${(startedAt + index * periodMs).toFixed(2)}\t${latencyMs.toFixed(2)}\t${method}\t${why}`);
    },
    timeoutMs: 30_000,
  });
}

if (burstEveryMs === 0) await send({ from: 0, durationMs: seconds * 1_000 });
else {
  const endsAt = performance.now() + seconds * 1_000;
  for (let from = 0; performance.now() < endsAt; from += burst) {
    const nextAt = performance.now() + burstEveryMs;
    await send({ from, durationMs: (burst * 1_000) / rate });
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, nextAt - performance.now())));
  }
}
writeFileSync(process.env['OUT'] ?? '/dev/stdout', `${lines.join('\n')}\n`);
