import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Peer, startHaproxy, startNginx, startNode, startOrigin } from './gateway-peers.ts';

/**
 * CPU per request of the gateway's data plane beside nginx and HAProxy, interleaved: each round runs every peer once in the same minute. `SECONDS` per run (2),
 * `ROUNDS` (5), `CASES` to choose. Needs nginx, haproxy and wrk.
 */
const seconds = Number(process.env['SECONDS'] ?? 2);
const rounds = Number(process.env['ROUNDS'] ?? 5);
const run = promisify(execFile);
const originPort = 18_000;
const clockTicksPerSecond = 100;
const warmupSeconds = 2;

interface Case {
  readonly name: string;
  readonly path: string;
  readonly connections: number;
  readonly script?: string;
}

const manyHeaders = Array.from({ length: 20 }, (_, i) => `wrk.headers["X-Field-${i}"] = "value-${i}-of-some-length"`).join('\n');
const post = 'wrk.method = "POST"\nwrk.body = string.rep("x", 1024)';
const CASES: readonly Case[] = [
  { name: 'small GET, 64 connections', path: '/small', connections: 64 },
  { name: 'small GET, 256 connections', path: '/small', connections: 256 },
  { name: '10 KiB GET, 64 connections', path: '/10k', connections: 64 },
  { name: 'POST 1 KiB, 64 connections', path: '/post', connections: 64, script: post },
  { name: 'GET with 20 more fields, 64 connections', path: '/small', connections: 64, script: manyHeaders },
];

interface Measured {
  readonly requestsPerSecond: number;
  readonly cpuUs: number;
}

async function measure(peer: Peer, one: Case, runSeconds: number): Promise<Measured> {
  const script = join(tmpdir(), 'haven-bench.lua');
  await writeFile(script, one.script ?? '');
  const pids = await peer.pids();
  const before = cpuMs(pids);
  const { stdout } = await run('wrk', ['-t1', `-c${one.connections}`, `-d${runSeconds}`, '-s', script, `http://127.0.0.1:${peer.port}${one.path}`]);
  const spentMs = cpuMs(pids) - before;
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  const bad = /Non-2xx.*|Socket errors.*/.exec(stdout)?.[0];
  if (bad !== undefined) process.stderr.write(`${peer.name}: ${bad}\n`);
  return { requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]), cpuUs: (spentMs * 1_000) / requests };
}

function cpuMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    return sum + ((Number(fields[11]) + Number(fields[12])) * 1_000) / clockTicksPerSecond;
  }, 0);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

const origin = await startOrigin(originPort);
const gateway = join(import.meta.dirname, 'gateway-worker.ts');
const peers = [
  await startNode('haven', 18_001, gateway, { ORIGIN: String(originPort) }),
  await startNginx(18_002, originPort),
  await startHaproxy(18_003, originPort),
];
try {
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const one of CASES.filter(({ name }) => name.includes(process.env['CASES'] ?? ''))) {
    const results = new Map<string, Measured[]>(peers.map(({ name }) => [name, []]));
    for (const peer of peers) await measure(peer, one, warmupSeconds);
    for (let round = 0; round < rounds; round++) for (const peer of peers) results.get(peer.name)?.push(await measure(peer, one, seconds));
    const nginx = median((results.get('nginx') ?? []).map(({ cpuUs }) => cpuUs));
    process.stdout.write(`${one.name}\n`);
    for (const [name, measured] of results) {
      const cpuUs = median(measured.map((each) => each.cpuUs));
      const rate = median(measured.map((each) => each.requestsPerSecond));
      process.stdout.write(
        `  ${name.padEnd(8)} ${cpuUs.toFixed(1).padStart(6)} us CPU/request  ${(cpuUs / nginx).toFixed(2).padStart(5)} x nginx  ${rate.toFixed(0).padStart(7)} requests/s\n`,
      );
    }
  }
} finally {
  for (const peer of [...peers, origin]) peer.stop();
}
