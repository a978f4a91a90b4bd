import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runLoad } from '#cli/load/open-loop';
import { CORES, coreTicks, cpuUsOf, onCore, residentKiB } from './gateway-machine.ts';
import type { Peer } from './gateway-peers.ts';

const run = promisify(execFile);

/** What one run of one peer gave; each case measures what it is about. */
export interface Measured {
  /** CPU time of the peer's processes, in µs per request (message, handshake). */
  readonly cpuUs?: number;
  readonly perSecond?: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  /** Of each process that carries bytes. */
  readonly residentMiB?: number;
  readonly connectionKiB?: number;
  /** Share of the time in which the core of the load and the backends was busy: near 1, it was the load that was measured. */
  readonly loadBusy?: number;
}

/** CPU time and the load core's share while `work` runs; it resolves to the number of requests. */
export async function accounted(peer: Peer, work: () => Promise<number>): Promise<Measured> {
  const cpuBefore = cpuUsOf(peer.pids());
  const ticksBefore = coreTicks(CORES?.load ?? 0);
  const startedAt = performance.now();
  const requests = await work();
  const seconds = (performance.now() - startedAt) / 1_000;
  const ticks = coreTicks(CORES?.load ?? 0);
  return {
    cpuUs: (cpuUsOf(peer.pids()) - cpuBefore) / requests,
    perSecond: requests / seconds,
    loadBusy: 1 - (ticks.idle - ticksBefore.idle) / Math.max(1, ticks.all - ticksBefore.all),
  };
}

export interface WrkOptions {
  readonly path: string;
  /** Of the answer's body; another length is a mistake in a peer's configuration. */
  readonly bodyBytes: number;
  readonly connections: number;
  readonly seconds: number;
  readonly scheme?: 'http' | 'https';
  /** Lua. */
  readonly script?: string;
}

/** As fast as it goes, so many requests at once (closed loop). */
export async function closedLoop(peer: Peer, { path, bodyBytes, connections, seconds, scheme = 'http', script = '' }: WrkOptions): Promise<Measured> {
  if (scheme === 'http') await verify(peer, path, bodyBytes);
  const directory = await mkdtemp(join(tmpdir(), 'haven-bench-'));
  const file = join(directory, 'wrk.lua');
  await writeFile(file, script);
  const url = `${scheme}://localhost:${scheme === 'https' ? peer.tlsPort : peer.port}${path}`;
  const [command, ...args] = onCore('load', ['wrk', '-t1', `-c${connections}`, `-d${seconds}`, '-s', file, url]);
  try {
    return await accounted(peer, async () => {
      const { stdout } = await run(command, args);
      const bad = /Non-2xx.*|Socket errors.*/.exec(stdout)?.[0];
      if (bad !== undefined) throw new Error(`${peer.name}, ${path}: ${bad}`);
      return Number(/(\d+) requests in/.exec(stdout)?.[1]);
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** TLS handshakes one after the other, each with one small GET; `resumed`: all but the first with the session of the first. */
export async function handshakes(peer: Peer, { resumed, seconds }: { readonly resumed: boolean; readonly seconds: number }): Promise<Measured> {
  const session = resumed ? '-reuse' : '-new';
  const [command, ...args] = onCore('load', [
    'openssl',
    's_time',
    '-connect',
    `localhost:${peer.tlsPort}`,
    session,
    '-time',
    String(seconds),
    '-www',
    '/small',
  ]);
  return await accounted(peer, async () => {
    const { stdout } = await run(command, args);
    // The second line counts by the clock, the first by the CPU time of openssl itself.
    const count = Number(/(\d+) connections in \d+ real seconds/.exec(stdout)?.[1]);
    if (!(count > 0)) throw new Error(`${peer.name}: no handshake: ${stdout.slice(-200)}`);
    return count;
  });
}

/** A proxy that answers by itself would be fast. */
async function verify(peer: Peer, path: string, bodyBytes: number): Promise<void> {
  const answer = await fetch(`http://localhost:${peer.port}${path}`, { method: path === '/post' ? 'POST' : 'GET' });
  const { byteLength } = await answer.arrayBuffer();
  if (answer.status !== 200 || byteLength !== bodyBytes) throw new Error(`${peer.name}, ${path}: ${answer.status} with ${byteLength} bytes, not ${bodyBytes}`);
}

/** Latencies at a fixed rate, whatever the answers do (open loop), counted from when each request was due. */
export async function openLoop(
  peer: Peer,
  options: { readonly ratePerSecond: number; readonly connections: number; readonly seconds: number },
): Promise<Measured> {
  const latencies: number[] = [];
  const request = { method: 'GET', path: '/small' };
  const { ratePerSecond, connections, seconds } = options;
  const measured = await accounted(peer, async () => {
    const report = await runLoad({
      address: { host: '127.0.0.1', port: peer.port },
      ratePerSecond,
      connections,
      durationMs: seconds * 1_000,
      nextRequest: () => request,
      onResult: ({ latencyMs }) => latencies.push(latencyMs),
    });
    if (report.failed > 0) throw new Error(`${peer.name}: ${report.failed} of ${report.due} requests failed`);
    return report.answered;
  });
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
  return { ...measured, p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** Resident memory of the largest process that carries bytes, in MiB. */
export function residentMiB(peer: Peer): number {
  return Math.max(...peer.workers().map(residentKiB)) / 1024;
}

/** Memory that each of `count` connections takes when it has had one request and now idles. */
export async function idleConnections(peer: Peer, count: number): Promise<Measured> {
  const before = residentMiB(peer);
  const sockets = [];
  const batch = 100;
  try {
    for (let opened = 0; opened < count; opened += batch)
      sockets.push(...(await Promise.all(Array.from({ length: batch }, async () => await usedConnection(peer.port)))));
    const after = residentMiB(peer);
    return { residentMiB: after, connectionKiB: ((after - before) * 1024) / count };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

async function usedConnection(port: number): Promise<ReturnType<typeof connect>> {
  const socket = connect({ host: '127.0.0.1', port });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('data', () => resolve());
    socket.write('GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n');
  });
  return socket;
}
