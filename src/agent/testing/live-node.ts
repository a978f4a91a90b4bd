/** A node on this machine for live tests: a real agent, a cluster that only remembers, and what tests ask of both. Not part of the product. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PlatformError } from '#base/errors';
import type { InstanceId, InstanceStatus } from '#model/instance';
import type { AgentStatus } from '#model/node';
import type { ServiceSpec } from '#model/spec';
import type { Address, World } from '#world/world';
import { runAgent } from '../agent.ts';
import { AgentFolders } from '../folders.ts';
import { loadInstanceRecords } from '../instance-record.ts';
import { agentParts, TEST_TOKEN } from './agent-parts.ts';
import { EXAMPLE_NODE } from './example-instance.ts';
import { TestCluster } from './test-cluster.ts';

export const PATH = process.env['PATH'] ?? '';
/** Against a wait that would never end, not against a slow machine. */
const PATIENCE_MS = 60_000;

/** A node of its own in a new folder, whose processes are all ended with it. */
export class LiveNode implements AsyncDisposable {
  readonly cluster = new TestCluster();
  readonly directory: string;
  readonly artifacts: string;
  readonly #world: World;
  readonly #logLimitBytes: number | undefined;
  #ending = new AbortController();
  #running: Promise<void> | undefined;

  private constructor(world: World, root: string, logLimitBytes: number | undefined) {
    this.#world = world;
    this.directory = join(root, 'node');
    this.artifacts = join(root, 'artifacts');
    this.#logLimitBytes = logLimitBytes;
  }

  static async make(world: World, options: { readonly logLimitBytes?: number } = {}): Promise<LiveNode> {
    const node = new LiveNode(world, await mkdtemp(join(tmpdir(), 'haven-agent-')), options.logLimitBytes);
    await mkdir(node.artifacts);
    return node;
  }

  startAgent(): void {
    this.#ending = new AbortController();
    const { cluster, directory, artifacts } = this;
    const limit = this.#logLimitBytes === undefined ? {} : { logLimitBytes: this.#logLimitBytes };
    this.#running = runAgent({ ...agentParts({ world: this.#world, cluster, directory, artifacts, path: PATH, ...limit }), signal: this.#ending.signal });
  }

  async endAgent(): Promise<void> {
    this.#ending.abort(new PlatformError('ABORTED', 'The test ends'));
    await this.#running;
  }

  async until(claim: string, holds: () => boolean, limitMs = PATIENCE_MS): Promise<void> {
    const deadline = this.#world.clock.now() + limitMs;
    while (!holds()) {
      assert.ok(this.#world.clock.now() < deadline, `${claim}: ${[...this.cluster.items.values()].map((item) => item.value).join('\n')}`);
      await this.#world.clock.sleep(10);
    }
  }

  async reach(id: InstanceId, phase: InstanceStatus['phase'], limitMs?: number): Promise<InstanceStatus> {
    await this.until(`${id} becomes ${phase}`, () => this.cluster.status(id)?.phase === phase, limitMs);
    return this.cluster.status(id) as InstanceStatus;
  }

  get api(): Address {
    return (JSON.parse(this.cluster.items.get(`/agents/${EXAMPLE_NODE}`)?.value ?? '') as AgentStatus).address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endAgent();
    for (const { state } of await loadInstanceRecords(this.#world, new AgentFolders(this.directory))) {
      if (state.stage.kind !== 'process') continue;
      await (await this.#world.processes.adopt(state.stage.identity))?.signal('SIGKILL');
    }
    await rm(join(this.directory, '..'), { recursive: true, force: true });
  }
}

/** A service that is this code. */
export function script(code: string, spec: Partial<ServiceSpec> = {}): Partial<ServiceSpec> {
  return { run: { kind: 'process', command: [process.execPath, '-e', code] }, ...spec };
}

/** False for a zombie too: it may wait long for a parent that does not care. */
export function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** A request to the agent's own API, with its answer by line. */
export async function ask(
  address: Address,
  path: string,
  body?: string,
): Promise<{ readonly status: number; readonly lines: readonly Record<string, unknown>[] }> {
  const response = await fetch(`http://${address.host}:${address.port}${path}`, {
    headers: { authorization: `Bearer ${TEST_TOKEN}` },
    ...(body === undefined ? {} : { method: 'POST', body }),
  });
  const text = await response.text();
  return {
    status: response.status,
    lines: text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}
