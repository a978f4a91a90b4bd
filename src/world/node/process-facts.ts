import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';

/** What Linux says of one process in /proc/<pid>/stat (proc_pid_stat(5)). */
export interface ProcessFacts {
  readonly pid: number;
  /** One letter: `Z` and `X` have ended and only wait for their parent. */
  readonly state: string;
  readonly parentId: number;
  readonly groupId: number;
  readonly sessionId: number;
  /** Own time and that of children already waited for, in user and kernel mode. */
  readonly cpuMs: number;
  readonly startTicks: number;
}

/** Linux counts process times in hundredths of a second on every platform Node supports (USER_HZ). */
const msPerTick = 10;

/** Reads one line of /proc/<pid>/stat. The command stands in parentheses and may itself hold spaces and parentheses: fields count from the last `)`. */
export function parseProcessStat(line: string): ProcessFacts | undefined {
  const open = line.indexOf('(');
  const close = line.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  // The first of these is field 3 of the manual page.
  const fields = line
    .slice(close + 2)
    .trim()
    .split(' ');
  const field = (number: number): number => Number(fields[number - 3]);
  const startTicks = field(22);
  if (!Number.isFinite(startTicks)) return undefined;
  return {
    pid: Number(line.slice(0, open)),
    state: fields[0] ?? '',
    parentId: field(4),
    groupId: field(5),
    sessionId: field(6),
    cpuMs: (field(14) + field(15) + field(16) + field(17)) * msPerTick,
    startTicks,
  };
}

/** True unless it has ended; a zombie has. */
export function isLiving(facts: ProcessFacts): boolean {
  return facts.state !== 'Z' && facts.state !== 'X';
}

/** The facts of a process, zombies included, or `undefined` if there is none with this pid. */
export async function readProcessFacts(pid: number): Promise<ProcessFacts | undefined> {
  const line = await readProc(`/proc/${pid}/stat`);
  return line === undefined ? undefined : parseProcessStat(line.toString('latin1'));
}

/** The same without waiting, for the moment after a spawn in which our own child cannot yet have been reaped. */
export function readProcessFactsNow(pid: number): ProcessFacts | undefined {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Files read at once: a machine with thousands of processes must not cost as many open files. */
const READ_AT_ONCE = 64;

let scanning: Promise<readonly ProcessFacts[]> | undefined;
let scanningNext: Promise<readonly ProcessFacts[]> | undefined;

/**
 * All living processes this user can see, looked at after the call. Whoever asks during a look shares the next one: a hundred instances that end
 * together cost two looks, not a hundred.
 */
export async function listProcesses(): Promise<readonly ProcessFacts[]> {
  if (scanning) {
    scanningNext ??= scanning.then(startScan, startScan);
    return await scanningNext;
  }
  return await startScan();
}

function startScan(): Promise<readonly ProcessFacts[]> {
  scanningNext = undefined;
  const scan = scanProcesses().finally(() => {
    if (scanning === scan) scanning = undefined;
  });
  scanning = scan;
  return scan;
}

async function scanProcesses(): Promise<readonly ProcessFacts[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const living: ProcessFacts[] = [];
  for (let start = 0; start < pids.length; start += READ_AT_ONCE) {
    const facts = await Promise.all(pids.slice(start, start + READ_AT_ONCE).map(readProcessFacts));
    for (const one of facts) if (one && isLiving(one)) living.push(one);
  }
  return living;
}

/** True when the process was started with `HAVEN_TOKEN=<token>`, itself or by inheritance. False if we may not look. */
export async function hasToken(pid: number, token: string): Promise<boolean> {
  const environment = await readProc(`/proc/${pid}/environ`);
  if (environment === undefined) return false;
  const entry = Buffer.from(`HAVEN_TOKEN=${token}\0`, 'latin1');
  return environment.subarray(0, entry.length).equals(entry) || environment.includes(Buffer.concat([Buffer.from([0]), entry]));
}

/** Resident memory of a process in bytes; 0 if it has ended. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readProc(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status?.toString('latin1') ?? '')?.[1] ?? 0) * 1_024;
}

/** Changes with each boot of the machine. */
export async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim();
}

async function readProc(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** The process ended between two looks, or belongs to somebody else. */
function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return ['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'ENOTDIR'].includes(code);
}
