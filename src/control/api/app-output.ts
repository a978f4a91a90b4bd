import type { ExecLine, LogLine } from '@haven/sdk';
import { toBytes } from '#base/bytes';
import { hasCode, messageOf, PlatformError } from '#base/errors';
import type { Name } from '#base/name';
import { onAbort } from '#base/signal';
import { type Instance, instanceName } from '#model/instance';
import { keyOf, PREFIX } from '#model/keys';
import type { AgentStatus } from '#model/node';
import type { StoreView } from '#model/store-view';
import type { Store } from '#store/store';
import type { World } from '#world/world';
import { errorFromBody, jsonLines, readJsonBody } from '../wire-error.ts';
import { readOne, readPrefix } from './cluster-state.ts';
import { Merged } from './merged.ts';

const AGENT_TIMEOUT_MS = 5_000;
const RETRY_MS = 500;
const MAX_LINE_BYTES = 2 ** 20;
const MAX_STREAMS_PER_READER = 200;

/** How to ask agents. */
export interface OutputParts {
  readonly world: Pick<World, 'clock' | 'network' | 'log'>;
  readonly store: Store;
  readonly view: StoreView;
  /** What the agent of the node accepts. */
  readonly tokenOf: (node: Name) => string;
}

export interface LogOptions {
  readonly app: Name;
  readonly service?: string;
  readonly slot?: number;
  /** Only this instance. */
  readonly id?: string;
  readonly tail: number;
  readonly signal: AbortSignal;
}

/** The last lines of every instance that is meant, one instance after the other. */
export async function* lastLines(parts: OutputParts, options: LogOptions): AsyncGenerator<LogLine, void, undefined> {
  for (const instance of await meant(parts, options)) {
    try {
      yield* linesOf(parts, instance, { tail: options.tail, signal: options.signal });
    } catch (error) {
      if (options.signal.aborted) return;
      // Nothing was started there yet: no lines, and no reason to alarm.
      if (!hasCode(error, 'NOT_FOUND')) yield notice(instance, `its output cannot be read: ${messageOf(error)}`);
    }
  }
}

/** Lines as they come, of all instances at once: of those that come later too, across restarts of instances and agents, until the signal aborts. */
export function followLines(parts: OutputParts, options: LogOptions): AsyncIterable<LogLine> {
  const merged = new Merged<LogLine>(options.signal);
  merged.add(followInstances(parts, { ...options, merged }));
  return merged;
}

async function* followInstances(parts: OutputParts, options: LogOptions & { readonly merged: Merged<LogLine> }): AsyncGenerator<LogLine, void, undefined> {
  const { app, merged, signal } = options;
  const prefix = `${PREFIX.instances}${app}.`;
  const followed = new Map<string, AbortController>();
  let tail = options.tail;
  let from = (await parts.store.status()).revision + 1;
  while (!signal.aborted) {
    const instances = await meant(parts, options);
    for (const [id, stop] of followed) {
      if (instances.some((instance) => instance.id === id)) continue;
      followed.delete(id);
      stop.abort();
    }
    for (const instance of instances.slice(0, MAX_STREAMS_PER_READER)) {
      if (followed.has(instance.id)) continue;
      const stop = new AbortController();
      followed.set(instance.id, stop);
      merged.add(followOne(parts, instance, { tail, signal, gone: stop.signal }));
    }
    // Whoever comes from now on is shown from its first line.
    tail = 10_000;
    from = await nextChange(parts.view, { prefix, from, signal });
  }
}

/** Waits for a change below the prefix; the revision after it. */
async function nextChange(view: StoreView, wanted: { readonly prefix: string; readonly from: number; readonly signal: AbortSignal }): Promise<number> {
  const enough = new AbortController();
  using _listening = onAbort(wanted.signal, (reason) => enough.abort(reason));
  try {
    for await (const batch of view.watch(wanted.prefix, { fromRevision: wanted.from, signal: enough.signal })) {
      if (batch.events.length > 0) return batch.revision + 1;
    }
  } finally {
    enough.abort();
  }
  return wanted.from;
}

async function* followOne(
  parts: OutputParts,
  instance: Instance,
  options: { readonly tail: number; readonly signal: AbortSignal; readonly gone: AbortSignal },
): AsyncGenerator<LogLine, void, undefined> {
  const { signal, gone } = options;
  let { tail } = options;
  let isTold = false;
  while (!signal.aborted && !gone.aborted) {
    try {
      for await (const line of linesOf(parts, instance, { tail, signal, follow: true, gone })) {
        tail = 0;
        isTold = false;
        yield line;
      }
    } catch (error) {
      if (signal.aborted || gone.aborted) break;
      if (!isTold && !hasCode(error, 'NOT_FOUND')) {
        isTold = true;
        yield notice(instance, `its output cannot be read now, lines may be missing: ${messageOf(error)}`);
      }
    }
    await parts.world.clock.sleep(RETRY_MS, signal).catch(() => undefined);
  }
  if (!signal.aborted) yield notice(instance, 'gone');
}

async function* linesOf(
  parts: OutputParts,
  instance: Instance,
  options: { readonly tail: number; readonly signal: AbortSignal; readonly follow?: true; readonly gone?: AbortSignal },
): AsyncGenerator<LogLine, void, undefined> {
  const path = `/v1/logs/${instance.id}?tail=${options.tail}${options.follow ? '&follow=1' : ''}`;
  const link = new AbortController();
  using _ended = onAbort(options.signal, (reason) => link.abort(reason));
  using _gone = onAbort(options.gone, (reason) => link.abort(reason));
  const lines = await askAgent(parts, { node: instance.node, method: 'GET', path, signal: link.signal });
  for await (const line of lines) {
    const { attempt, text } = line as { readonly attempt?: unknown; readonly text?: unknown };
    if (typeof text !== 'string') continue;
    yield { kind: 'line', instance: instanceName(instance), id: instance.id, node: instance.node, attempt: typeof attempt === 'number' ? attempt : 0, text };
  }
}

/** Runs a command beside an instance. NOT_FOUND if there is no such instance. */
export async function execute(
  parts: OutputParts,
  options: { readonly id: string; readonly command: readonly string[]; readonly timeoutMs?: number; readonly signal: AbortSignal },
): Promise<AsyncIterable<ExecLine>> {
  const { id, command, timeoutMs, signal } = options;
  const instance = await readOne<Instance>(parts.store, `${PREFIX.instances}${id}`);
  if (!instance)
    throw new PlatformError('NOT_FOUND', `Cannot run a command beside "${id.slice(0, 120)}", because there is no such instance`, { next: 'haven ps' });
  const body = toBytes(JSON.stringify({ command, ...(timeoutMs === undefined ? {} : { timeoutMs }) }));
  return execLines(await askAgent(parts, { node: instance.value.node, method: 'POST', path: `/v1/exec/${id}`, body, signal }));
}

async function* execLines(lines: AsyncIterable<unknown>): AsyncGenerator<ExecLine, void, undefined> {
  for await (const line of lines) {
    const { text, exit, reason } = line as {
      readonly text?: unknown;
      readonly exit?: { readonly code?: number; readonly signal?: string };
      readonly reason?: string;
    };
    if (typeof text === 'string') yield { kind: 'output', text };
    if (exit) {
      const { code, signal } = exit;
      yield { kind: 'exit', ...(code === undefined ? {} : { code }), ...(signal === undefined ? {} : { signal }), ...(reason === undefined ? {} : { reason }) };
      return;
    }
  }
  throw new PlatformError('UNAVAILABLE', 'Cannot tell how the command ended, because its node stopped answering');
}

/** The JSON lines of an agent's answer; its own errors come with their code. */
async function askAgent(
  parts: OutputParts,
  request: { readonly node: Name; readonly method: 'GET' | 'POST'; readonly path: string; readonly body?: Uint8Array; readonly signal: AbortSignal },
): Promise<AsyncIterable<unknown>> {
  const { node, method, path, body, signal } = request;
  const agent = await readOne<AgentStatus>(parts.store, keyOf.agent(node));
  if (!agent) throw new PlatformError('UNAVAILABLE', `Cannot ask node ${node}, because its agent does not answer`, { node, next: `haven why ${node}` });
  const { host, port } = agent.value.address;
  const headers = {
    host: `${host}:${port}`,
    authorization: `Bearer ${parts.tokenOf(node)}`,
    ...(body ? { 'content-type': 'application/json', 'content-length': String(body.length) } : {}),
  };
  const response = await parts.world.network.request(
    agent.value.address,
    { method, path, headers, ...(body ? { body } : {}) },
    { timeoutMs: AGENT_TIMEOUT_MS, signal },
  );
  if (response.status === 200) return jsonLines(response.body, { maxLineBytes: MAX_LINE_BYTES });
  const failure = errorFromBody(await readJsonBody(response.body, { maxBytes: 65_536 }).catch(() => undefined));
  // What the agent refuses is not the caller's fault: both tokens come from the same key.
  if (!failure || failure.code === 'UNAUTHENTICATED')
    throw new PlatformError('UNAVAILABLE', `Cannot ask node ${node}: its agent answered ${response.status}`, { node });
  throw failure;
}

async function meant(parts: OutputParts, options: LogOptions): Promise<readonly Instance[]> {
  const instances = await readPrefix<Instance>(parts.store, `${PREFIX.instances}${options.app}.`);
  return instances
    .map(({ value }) => value)
    .filter((instance) => (options.service ?? instance.service) === instance.service)
    .filter((instance) => (options.slot ?? instance.slot) === instance.slot && (options.id ?? instance.id) === instance.id);
}

function notice(instance: Instance, text: string): LogLine {
  return { kind: 'notice', instance: instanceName(instance), id: instance.id, node: instance.node, text };
}
