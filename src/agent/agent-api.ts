import { createHash, timingSafeEqual } from 'node:crypto';
import { toBytes, toText } from '#base/bytes';
import { PlatformError } from '#base/errors';
import { isName, type Name } from '#base/name';
import { type InstanceId, instanceIdOf } from '#model/instance';
import type { Address, NetworkResponse, NetworkServer, ServedRequest, World } from '#world/world';
import { type ExecEvent, type ExecRequest, execBeside } from './exec.ts';
import { type AgentFolders, isInstanceId } from './folders.ts';
import type { InstanceKeeper } from './instance-keeper.ts';
import type { LogKeeper, LogTarget } from './logs/log-keeper.ts';
import type { LogLine } from './logs/log-slot.ts';
import type { LoopLag } from './registration.ts';

const maxTail = 10_000;
const defaultTail = 100;
const maxStreams = 64;
const maxExecs = 8;
const maxBodyBytes = 64 * 1024;
const maxArguments = 256;
const maxExecMs = 3_600_000;
const defaultExecMs = 600_000;

/** One line of `GET /v1/logs/…`. */
export interface AgentLogLine {
  readonly instance: InstanceId;
  readonly attempt: number;
  readonly text: string;
}

interface ApiParts {
  readonly folders: AgentFolders;
  readonly logs: LogKeeper;
  readonly token: string;
  readonly keepersById: ReadonlyMap<InstanceId, InstanceKeeper>;
  readonly loopLag: () => LoopLag | undefined;
}

interface ResolvedTarget {
  readonly app: Name;
  readonly service: Name;
  readonly slot: number;
  readonly logs: LogTarget;
}

/**
 * The agent's HTTP API, answers in NDJSON:
 *   GET  /v1/logs/INSTANCE-ID?tail=N&follow=1 (or /v1/logs/APP/SERVICE.SLOT for all instances of a slot): lines `{instance, attempt, text}`
 *   GET  /v1/health: one object `{instances, loopLag: {lastMs, worstMs}}`, the lag where it is measured, the worst of the last minute
 *   POST /v1/exec/INSTANCE-ID `{"command": ["ls", "-l"], "timeoutMs": 60000}`: `{stream: "output", text}` …, then `{exit: {code, signal}}`
 */
export class AgentApi {
  readonly #world: World;
  readonly #parts: ApiParts;
  readonly #tokenHash: Buffer;
  #streams = 0;
  #execs = 0;

  constructor(world: World, parts: ApiParts) {
    this.#world = world;
    this.#parts = parts;
    this.#tokenHash = sha256(parts.token);
  }

  async serve(address: Address): Promise<NetworkServer> {
    return await this.#world.network.serve(address, async (request) => {
      try {
        return await this.#answer(request);
      } catch (error) {
        if (!(error instanceof PlatformError)) throw error;
        return json(HTTP_STATUS[error.code] ?? 500, { error: { code: error.code, message: error.message } });
      }
    });
  }

  async #answer(request: ServedRequest): Promise<NetworkResponse> {
    this.#authenticate(request);
    const [path = '', query = ''] = request.path.split('?');
    const parts = path.split('/').slice(1).map(decodePart);
    if (parts[0] === 'v1' && parts[1] === 'logs' && request.method === 'GET') return await this.#logs(parts.slice(2), { query, signal: request.signal });
    if (parts[0] === 'v1' && parts[1] === 'exec' && request.method === 'POST') return await this.#exec(parts[2] ?? '', request);
    if (parts[0] === 'v1' && parts[1] === 'health' && request.method === 'GET') return this.#health();
    throw new PlatformError('NOT_FOUND', `Cannot ${request.method} ${path}, because this agent has no such resource`);
  }

  #health(): NetworkResponse {
    const { keepersById, loopLag } = this.#parts;
    return json(200, { instances: keepersById.size, loopLag: loopLag() });
  }

  #authenticate(request: ServedRequest): void {
    const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    // Hashes have one length, so the comparison tells nothing about the token, not even how long it is.
    if (given === undefined || !timingSafeEqual(sha256(given), this.#tokenHash)) {
      throw new PlatformError('UNAUTHENTICATED', 'Cannot answer, because the request has no valid bearer token');
    }
  }

  async #logs(path: readonly string[], { query, signal }: { readonly query: string; readonly signal: AbortSignal }): Promise<NetworkResponse> {
    const target = await this.#resolve(path);
    const options = parseQuery(query);
    const tail = parseCount(options.get('tail') ?? String(defaultTail), { name: 'tail', max: maxTail });
    if (this.#streams >= maxStreams) throw new PlatformError('LIMIT', `Cannot send logs, because ${maxStreams} readers are served already`);
    const toLine = ({ serial, attempt, text }: LogLine): AgentLogLine => ({
      instance: instanceIdOf(target.app, target.service, target.slot, serial),
      attempt,
      text,
    });
    const { logs } = this.#parts;
    const source = async function* (): AsyncGenerator<LogLine> {
      if (options.get('follow') === '1') yield* logs.followLines(target.logs, { tail, signal });
      else yield* await logs.tailLines(target.logs, tail);
    };
    const body = this.#counted(ndjson(source(), toLine), '#streams');
    return { status: 200, headers: NDJSON_HEADERS, body };
  }

  async #exec(id: string, request: ServedRequest): Promise<NetworkResponse> {
    const keeper = isInstanceId(id) ? this.#parts.keepersById.get(id) : undefined;
    if (!keeper) throw new PlatformError('NOT_FOUND', `Cannot run a command beside "${id.slice(0, 120)}", because no such instance is on this node`);
    const exec = parseExec(await readBody(request));
    if (this.#execs >= maxExecs) throw new PlatformError('LIMIT', `Cannot run a command, because ${maxExecs} are running on this node`);
    const place = await keeper.beside(request.signal);
    const events = execBeside(this.#world, { ...exec, ...place, folder: `${this.#parts.folders.root}/exec`, signal: request.signal });
    const body = this.#counted(
      ndjson(events, (event: ExecEvent) => event),
      '#execs',
    );
    return { status: 200, headers: NDJSON_HEADERS, body };
  }

  /** The stream, counted while it is read. */
  async *#counted(body: AsyncGenerator<Uint8Array>, counter: '#streams' | '#execs'): AsyncGenerator<Uint8Array> {
    if (counter === '#streams') this.#streams++;
    else this.#execs++;
    try {
      yield* body;
    } finally {
      if (counter === '#streams') this.#streams--;
      else this.#execs--;
    }
  }

  async #resolve(path: readonly string[]): Promise<ResolvedTarget> {
    const [first = '', second] = path;
    const match = second === undefined ? /^([^.]+)\.([^.]+)\.(\d+)-(\d+)$/.exec(first) : /^([^.]+)\/([^.]+)\.(\d+)$/.exec(`${first}/${second}`);
    const [, app = '', service = '', slotText = '', serialText] = match ?? [];
    const slot = Number(slotText);
    if (path.length > 2 || !isName(app) || !isName(service) || !Number.isSafeInteger(slot)) {
      throw new PlatformError('INVALID', 'Cannot tell whose logs are asked for: give an instance id, such as shop.web.2-7, or a slot, such as shop/web.2');
    }
    const folder = this.#parts.folders.logsOf({ app, service, slot });
    // Without the folder no process of the slot was ever started here.
    if (!(await this.#world.disk.stat(folder))) throw new PlatformError('NOT_FOUND', `Cannot find output of ${path.join('/')} on this node`);
    return { app, service, slot, logs: { folder, ...(serialText === undefined ? {} : { serial: Number(serialText) }) } };
  }
}

const NDJSON_HEADERS = { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' } as const;

const HTTP_STATUS: Readonly<Partial<Record<string, number>>> = {
  INVALID: 400,
  UNAUTHENTICATED: 401,
  DENIED: 403,
  NOT_FOUND: 404,
  TOO_LARGE: 413,
  LIMIT: 429,
  UNAVAILABLE: 503,
  TIMEOUT: 504,
};

async function* ndjson<Item>(items: AsyncGenerator<Item>, toObject: (item: Item) => unknown): AsyncGenerator<Uint8Array> {
  for await (const item of items) yield toBytes(`${JSON.stringify(toObject(item))}\n`);
}

function json(status: number, value: unknown): NetworkResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: once(toBytes(JSON.stringify(value))) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new PlatformError('INVALID', 'Cannot read the path, because its percent signs are not an encoding', {}, { cause });
  }
}

function parseQuery(query: string): ReadonlyMap<string, string> {
  return new Map(
    query
      .split('&')
      .filter((pair) => pair !== '')
      .map((pair) => {
        const [name = '', value = ''] = pair.split('=');
        return [decodePart(name), decodePart(value)];
      }),
  );
}

function parseCount(text: string, { name, max }: { readonly name: string; readonly max: number }): number {
  if (!/^\d{1,9}$/.test(text)) throw new PlatformError('INVALID', `Cannot read ${name}="${text.slice(0, 20)}" as a count`);
  return Math.min(max, Number(text));
}

async function readBody(request: ServedRequest): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new PlatformError('TOO_LARGE', `Cannot take a command of more than ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return toText(bytes);
}

function parseExec(text: string): ExecRequest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PlatformError('INVALID', 'Cannot read the command, because it is not JSON', {}, { cause });
  }
  const { command, timeoutMs = defaultExecMs } = (value ?? {}) as { readonly command?: unknown; readonly timeoutMs?: unknown };
  const isCommand =
    Array.isArray(command) && command.length > 0 && command.length <= maxArguments && command.every((item) => typeof item === 'string' && !item.includes('\0'));
  if (!isCommand || command[0] === '') throw new PlatformError('INVALID', `Cannot run it, because "command" is not a list of 1 to ${maxArguments} texts`);
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0) || timeoutMs > maxExecMs) {
    throw new PlatformError('INVALID', `Cannot run it, because "timeoutMs" is not a number from 1 to ${maxExecMs}`);
  }
  return { command: command as [string, ...string[]], timeoutMs };
}
