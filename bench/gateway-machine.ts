import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';

/** One core for the program under test, one for the load and the backends: neither takes the other's time. Without `taskset` or a second core nothing is pinned. */
export const CORES: { readonly proxy: number; readonly load: number } | undefined =
  availableParallelism() > 1 && hasTaskset() ? { proxy: 1, load: 0 } : undefined;

/** The command that runs `command` on one core. */
export function onCore(role: 'proxy' | 'load', command: readonly string[]): readonly [string, ...string[]] {
  const pinned = CORES === undefined ? command : ['taskset', '-c', String(CORES[role]), ...command];
  return pinned as readonly [string, ...string[]];
}

/** A process and all it has started, directly or not. */
export function processTree(pid: number): readonly number[] {
  const children = tasksOf(pid).flatMap((task) => read(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean).map(Number));
  return [pid, ...children.flatMap(processTree)];
}

/** CPU time in µs of these processes so far, with all their threads: what the kernel counts for utime and stime, without the rounding to 10 ms. */
export function cpuUsOf(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) for (const task of tasksOf(pid)) nanoseconds += Number(read(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0]);
  return nanoseconds / 1_000;
}

/** Resident memory of one process in KiB. */
export function residentKiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? Number.NaN);
}

/** Ticks of one core so far, and how many of them it had nothing to do. */
export function coreTicks(core: number): { readonly all: number; readonly idle: number } {
  const line =
    read('/proc/stat')
      .split('\n')
      .find((each) => each.startsWith(`cpu${core} `)) ?? '';
  const ticks = line.split(' ').slice(1, 9).map(Number);
  return { all: ticks.reduce((sum, each) => sum + each, 0), idle: (ticks[3] ?? 0) + (ticks[4] ?? 0) };
}

/** What a reader must know of where figures come from. */
export function machineText(): string {
  const model = cpus()[0]?.model.replace(/\s+/g, ' ') ?? 'unknown processor';
  const memoryGiB = Number(/MemTotal:\s+(\d+)/.exec(read('/proc/meminfo'))?.[1]) / 1024 ** 2;
  const kernel = read('/proc/sys/kernel/osrelease').trim().split('-')[0];
  return `${cpus().length} cores (${model}, virtual machine), ${memoryGiB.toFixed(0)} GiB, Linux ${kernel}, Node ${process.version}`;
}

/** Programs that wait for a core beyond those that there are: with any, figures are not to be trusted. */
export function loadText(): string {
  return loadavg()
    .map((each) => each.toFixed(1))
    .join(' ');
}

function tasksOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // A process or thread that has ended meanwhile.
    return '';
  }
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['-c', '0', 'true']);
    return true;
  } catch {
    return false;
  }
}

/** Those of these programs that are not on the path, each once. */
export function missingPrograms(names: readonly string[]): readonly string[] {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return [...new Set(names)].filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
}
