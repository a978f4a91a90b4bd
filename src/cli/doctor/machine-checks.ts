import { open, readFile, stat, statfs, unlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { formatSize } from '#base/bytes';
import { messageOf } from '#base/errors';
import { openRing } from '#gateway/dataplane/ring/open-ring';
import { detectCgroups } from '#world/node/cgroup';
import { addressesOf, type Home, httpsAddressOf, INSTANCE_PORTS, internalPortsOf, pathsOf } from '../home.ts';
import type { Finding } from './finding.ts';

const OLDEST_NODE_MAJOR = 24;
const SYNC_ROUNDS = 200;
const SYNC_BUDGET_MS = 1_500;
const SYNC_WARN_MS = 10;
const FREE_WARN_BYTES = 2 * 2 ** 30;
const FREE_FAIL_BYTES = 200 * 2 ** 20;
const FILES_WARN = 4_096;
const FILES_FAIL = 1_024;
const CLOCK_STEP_WARN_MS = 50;
/** 2025: a clock before it was never set. */
const EARLIEST_WALL_MS = 1_735_689_600_000;

/** Node is new enough to run Haven. */
export function checkNode(version: string): Finding {
  const isNewEnough = Number.parseInt(version, 10) >= OLDEST_NODE_MAJOR;
  return {
    check: 'Node',
    verdict: isNewEnough ? 'ok' : 'fail',
    found: version,
    ...(isNewEnough ? {} : { next: `install Node ${OLDEST_NODE_MAJOR} or newer` }),
  };
}

/** Whether limits of cpu and memory can be held. */
export async function checkCgroups(): Promise<Finding> {
  const { kind, parents, reasons } = await detectCgroups();
  const held = (['cpu', 'memory'] as const).filter((controller) => parents[controller] !== undefined);
  if (held.length === 2) return { check: 'cgroups', verdict: 'ok', found: `${kind}: limits of cpu and memory are held` };
  return {
    check: 'cgroups',
    verdict: 'warn',
    found: `${kind === 'none' ? 'none' : `${kind}, ${held.join(' and ') || 'neither cpu nor memory'}`}: ${reasons.join('; ')}`,
    next: 'instances can use more than they ask for; run as root, or have the groups delegated to this user',
  };
}

/** How long this disk takes to make a write durable: every change of the cluster waits for it. */
export async function checkSync(home: Home): Promise<Finding> {
  const path = join(await nearestFolder(home.directory), `.haven-doctor-${process.pid}`);
  const check = 'disk sync';
  try {
    const p99Ms = percentile99(await syncTimes(path));
    const found = `p99 ${p99Ms.toFixed(1)} ms at ${dirname(path)}`;
    if (p99Ms <= SYNC_WARN_MS) return { check, verdict: 'ok', found };
    return { check, verdict: 'warn', found, next: `every change waits for this disk; below ${SYNC_WARN_MS} ms is good: set HAVEN_HOME to a faster one` };
  } catch (error) {
    return { check, verdict: 'fail', found: messageOf(error), next: 'make HAVEN_HOME writable for this user' };
  } finally {
    await unlink(path).catch(() => undefined);
  }
}

async function syncTimes(path: string): Promise<readonly number[]> {
  const block = new Uint8Array(4_096).fill(1);
  const file = await open(path, 'wx', 0o600);
  try {
    const times: number[] = [];
    const startedAt = performance.now();
    while (times.length < SYNC_ROUNDS && performance.now() - startedAt < SYNC_BUDGET_MS) {
      const before = performance.now();
      await file.write(block, 0, block.length, times.length * block.length);
      await file.sync();
      times.push(performance.now() - before);
    }
    return times;
  } finally {
    await file.close();
  }
}

/** The smallest value that at least 99 of 100 do not exceed (nearest rank). */
export function percentile99(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0;
}

/** Room for the store, artifacts and logs. */
export async function checkFreeDisk(home: Home): Promise<Finding> {
  const folder = await nearestFolder(home.directory);
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  const verdict = freeBytes < FREE_FAIL_BYTES ? 'fail' : freeBytes < FREE_WARN_BYTES ? 'warn' : 'ok';
  return {
    check: 'free disk',
    verdict,
    found: `${formatSize(freeBytes)} at ${folder}`,
    ...(verdict === 'ok' ? {} : { next: `free some space, ${formatSize(FREE_WARN_BYTES)} at least` }),
  };
}

/** The token opens the cluster to whoever can read it. */
export async function checkPrivate(home: Home): Promise<Finding | undefined> {
  const token = await stat(pathsOf(home).token).catch(() => undefined);
  if (!token) return undefined;
  const isPrivate = (token.mode & 0o077) === 0;
  return {
    check: 'token',
    verdict: isPrivate ? 'ok' : 'fail',
    found: isPrivate ? 'readable by its owner only' : `others can read ${pathsOf(home).token}`,
    ...(isPrivate ? {} : { next: `chmod 600 ${pathsOf(home).token}` }),
  };
}

/** Every client of the gateway and every connection to an instance is an open file. */
export async function checkOpenFiles(): Promise<Finding | undefined> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => undefined);
  const limit = /^Max open files\s+(\d+|unlimited)/m.exec(text ?? '')?.[1];
  if (limit === undefined) return undefined;
  const files = limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit);
  const verdict = files < FILES_FAIL ? 'fail' : files < FILES_WARN ? 'warn' : 'ok';
  return { check: 'open files', verdict, found: `${limit} at most`, ...(verdict === 'ok' ? {} : { next: `ulimit -n ${FILES_WARN * 4}` }) };
}

/** Whether gateways that are started as this program is can have a ring. None is no fault: they do the same, at a higher cost. */
export function checkRing(): Finding {
  const opened = openRing();
  const check = 'io_uring';
  if (opened.ring !== undefined) return { check, verdict: 'ok', found: 'gateways carry all their connections by it' };
  if (!opened.isWanted) return { check, verdict: 'ok', found: `not wanted: ${opened.reason}` };
  return { check, verdict: 'ok', found: `none for gateways, which take more CPU: ${opened.reason}` };
}

/** All ports that Haven will want are free; asked only while it does not run. */
export async function checkPorts(home: Home): Promise<Finding> {
  const internal = internalPortsOf(home);
  const ports = [...Object.values(addressesOf(home)), httpsAddressOf(home)].map(({ port }) => port).concat(range(internal.first, internal.last));
  const taken: number[] = [];
  for (const port of ports) if (!(await isFree(port))) taken.push(port);
  const [first] = taken;
  if (first === undefined) return { check: 'ports', verdict: 'ok', found: `${home.portBase} to ${internal.last} are free where needed` };
  // The three fixed ports are needed to start; that of HTTPS only for routes that want it; of the internal ones another is taken instead.
  const isFixed = Object.values(addressesOf(home)).some(({ port }) => taken.includes(port));
  return {
    check: 'ports',
    verdict: isFixed ? 'fail' : 'warn',
    found: `in use by another program: ${taken.slice(0, 8).join(', ')}${taken.length > 8 ? ' and more' : ''}`,
    next: 'stop that program, or set HAVEN_PORT_BASE to another number',
  };
}

/** Ports that the kernel hands to outgoing connections collide at random with those that Haven and its instances listen on. */
export async function checkEphemeralPorts(home: Home): Promise<Finding | undefined> {
  const text = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => undefined);
  const [low, high] = (text ?? '').trim().split(/\s+/).map(Number);
  if (low === undefined || high === undefined || Number.isNaN(high)) return undefined;
  const overlaps = ({ first, last }: { readonly first: number; readonly last: number }) => first <= high && last >= low;
  const own = { first: home.portBase, last: internalPortsOf(home).last };
  const next = overlaps(INSTANCE_PORTS)
    ? 'move the range up: sysctl net.ipv4.ip_local_port_range="32768 60999"'
    : overlaps(own)
      ? `set HAVEN_PORT_BASE to a number below ${low - (own.last - own.first)}`
      : undefined;
  return {
    check: 'port range',
    verdict: next === undefined ? 'ok' : 'warn',
    found: `outgoing connections use ${low} to ${high}, Haven ${own.first} to ${own.last}, instances ${INSTANCE_PORTS.first} to ${INSTANCE_PORTS.last}`,
    ...(next === undefined ? {} : { next }),
  };
}

/** The wall clock was set once and does not jump. `work` is what to measure it over. */
export async function checkClock(work: () => Promise<unknown>): Promise<Finding> {
  const [wall, monotonic] = [Date.now(), performance.now()];
  await work();
  const stepMs = Math.abs(Date.now() - wall - (performance.now() - monotonic));
  const check = 'clock';
  if (wall < EARLIEST_WALL_MS) return { check, verdict: 'warn', found: new Date(wall).toISOString(), next: 'set the clock, for example with NTP' };
  if (stepMs > CLOCK_STEP_WARN_MS)
    return { check, verdict: 'warn', found: `it jumped by ${stepMs.toFixed(0)} ms just now`, next: 'let NTP slew the clock instead of stepping it' };
  return { check, verdict: 'ok', found: new Date(wall).toISOString() };
}

async function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once('error', () => resolve(false));
  server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  return await promise;
}

/** The folder, or the nearest above it that exists: where its files will lie. */
async function nearestFolder(directory: string): Promise<string> {
  let folder = directory;
  while (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
    const above = dirname(folder);
    if (above === folder) break;
    folder = above;
  }
  return folder;
}

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
