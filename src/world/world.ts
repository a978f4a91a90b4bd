import type { Brand } from '#base/brand';

/** Milliseconds on this machine's monotonic clock, from an origin of its own. The only time that decides anything. */
export type Instant = Brand<number, 'Instant'>;

/** Milliseconds since 1970 on the wall clock: for people, logs and certificates. Never compared between machines. */
export type UnixMs = Brand<number, 'UnixMs'>;

/** Everything outside the program. Real in `world/node`, seeded and virtual in `world/simulated`; one conformance suite runs on both. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly disk: Disk;
  readonly processes: Processes;
  readonly log: Log;
}

export interface Clock {
  now(): Instant;
  wall(): UnixMs;
  /** Resolves after `delayMs`. Rejects with the signal's reason if it aborts first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
  /** Calls back once after `delayMs` unless the timer is disposed first. */
  after(delayMs: number, callback: () => void): Disposable;
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer in [0, below). */
  integer(below: number): number;
  /** Unpredictable bytes in the real world: fit for tokens. */
  bytes(count: number): Uint8Array<ArrayBuffer>;
}

/** Where a program listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface NetworkRequest {
  readonly method: string;
  /** Path and query, beginning with `/`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
}

export interface NetworkResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Arrives as it comes; must be read to its end or cancelled by leaving the loop. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface NetworkServer extends AsyncDisposable {
  readonly address: Address;
}

/** Waiting on the network always ends: by an answer, by `timeoutMs` (TIMEOUT), or by the signal. A refused or broken connection is UNAVAILABLE. */
export interface Network {
  /** One request, one response (HTTP/1.1 in the real world, one message each way in the simulated). `timeoutMs` bounds the wait for the head. */
  request(address: Address, request: NetworkRequest, options: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<NetworkResponse>;
  /**
   * Answers requests at `address` until disposed; port 0 takes a free one. LOCKED if the port is in use. `listener`: a handle of the real machine that is bound to
   * it already, and is closed in the end.
   */
  serve(address: Address, handler: (request: ServedRequest) => Promise<NetworkResponse>, listener?: object): Promise<NetworkServer>;
  /** Resolves when something accepts a connection there, which is then closed. */
  probe(address: Address, options: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<void>;
}

export interface ServedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array>;
  /** Aborts when the other side has gone. */
  readonly signal: AbortSignal;
}

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'other';
  readonly sizeBytes: number;
  readonly modifiedAt: UnixMs;
}

export interface OpenFile extends AsyncDisposable {
  /** Up to `length` bytes from `offset`; fewer only at the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  /** Returns when the bytes and the size are on stable storage. After a failure nothing of the file may be trusted: never retried. */
  sync(): Promise<void>;
  stat(): Promise<FileStat>;
}

/** Files by path. A missing file is NOT_FOUND, a full disk LIMIT. Nothing is durable before `sync` of the file and `syncDirectory` of its folder. */
export interface Disk {
  /** `read` and `write` (which also reads) want an existing file; `create` is `write` that makes an empty file if there is none and keeps what is there. */
  open(path: string, mode: 'read' | 'write' | 'create'): Promise<OpenFile>;
  /** `undefined` if there is nothing at `path`. Does not follow a link. */
  stat(path: string): Promise<FileStat | undefined>;
  /** Names in the folder, sorted. */
  list(path: string): Promise<readonly string[]>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, or a folder with all in it. Nothing there is fine. */
  remove(path: string): Promise<void>;
  /** Makes the folder and those above it, for the owner only. Durable when it returns. */
  makeDirectory(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /**
   * The lock of the file, which one holder has at a time, of all processes of the machine, until it disposes of it or its process ends, however that comes about.
   * `undefined` while another has it. Makes the file, for the owner only, if there is none; it stays empty and is opened for nothing else. INVALID if it cannot be that file.
   */
  lock(path: string): Promise<Disposable | undefined>;
}

/** Names one process for ever: a pid is used again, and pid with start time can still collide within a clock tick, so the token decides. */
export interface ProcessIdentity {
  readonly pid: number;
  /** In the kernel's clock ticks since boot. */
  readonly startTicks: number;
  readonly bootId: string;
  /** Random; in the process's environment as HAVEN_TOKEN. */
  readonly token: string;
}

export interface ProcessSpec {
  readonly command: string;
  readonly args: readonly string[];
  readonly workingDirectory: string;
  /** The whole environment; nothing is inherited but what is listed. */
  readonly environment: Readonly<Record<string, string>>;
  /** Standard output and error are appended to this file; `undefined` discards them. */
  readonly outputPath?: string;
  readonly limits?: ProcessLimits;
  /** From `newProcessToken`, for a caller that records it durably before the start, to `find` the process whatever happens after. A fresh one unless given. */
  readonly token?: string;
}

export interface ProcessLimits {
  /** Cores: 0.5 is half a core. */
  readonly cpu?: number;
  readonly memoryBytes?: number;
}

export interface ProcessExit {
  /** `undefined` when a signal ended it or when nobody of ours was its parent. */
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

export type ProcessSignal = 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGHUP' | 'SIGINT';

/** A process we started or adopted, leader of its own group. It outlives us. */
export interface RunningProcess {
  readonly identity: ProcessIdentity;
  /** Resolves when the leader has ended, whoever its parent is. */
  readonly exited: Promise<ProcessExit>;
  /** Signals every process of its group (and cgroup). False if none is left. */
  signal(signal: ProcessSignal): Promise<boolean>;
  /** True while any process of its group or cgroup lives, the leader or another. */
  hasMembers(): Promise<boolean>;
  usage(): Promise<{ readonly cpuMs: number; readonly memoryBytes: number } | undefined>;
}

export interface Processes {
  /** Starts it in its own group, with no terminal and no inherited files. NOT_FOUND if the command does not exist. */
  spawn(spec: ProcessSpec): Promise<RunningProcess>;
  /**
   * What lives of exactly that process: the leader with its group, or, when the leader has ended, the members that are left, and `exited` resolves at once.
   * `undefined` if nothing is left, even if its pid is in use again.
   */
  adopt(identity: ProcessIdentity): Promise<RunningProcess | undefined>;
  /** The same for a start of which only the token is known. `undefined` proves that nothing is left. Looks at every process of the machine: for recovery. */
  find(token: string): Promise<RunningProcess | undefined>;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Structured lines for operators. Never a secret. */
export interface Log {
  write(level: LogLevel, message: string, fields?: LogFields): void;
}
