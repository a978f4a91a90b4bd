import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeWorld } from '#world/node/node-world';

const program = join(import.meta.dirname, 'testing', 'busy-agent.ts');

/** The part of the API that a lease needs, with the calls it got. */
async function serveLease(): Promise<AsyncDisposable & { readonly port: number; readonly calls: readonly { readonly what: string; readonly at: number }[] }> {
  const { clock, network } = nodeWorld({ logLevel: 'error', logName: 'test', writeLog: () => undefined });
  const calls: { what: string; at: number }[] = [];
  const answers = new Map([
    ['list', { items: [], revision: 1 }],
    ['leases', { lease: '7' }],
    ['write', { revision: 2 }],
    ['keep', {}],
    ['7', {}],
  ]);
  const server = await network.serve({ host: '127.0.0.1', port: 0 }, async (request) => {
    const what = request.path.split('?')[0]?.split('/').at(-1) ?? '';
    calls.push({ what: request.method === 'DELETE' ? 'revoke' : what, at: clock.now() });
    const body = (async function* () {
      yield new TextEncoder().encode(JSON.stringify(answers.get(what) ?? {}));
    })();
    return { status: 200, headers: { 'content-type': 'application/json' }, body };
  });
  return { port: server.address.port, calls, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

interface Ended {
  readonly signal: string | null;
  /** Standard output, then standard error. */
  readonly output: string;
}

async function run(port: number, ...args: readonly string[]): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const child = execFile(process.execPath, [program, String(port), ...args], (_error, stdout, stderr) =>
    resolve({ signal: child.signalCode, output: stdout + stderr }),
  );
  return await promise;
}

test('the lease is renewed while the event loop of the agent stands still, the lag is told, and leaving ends the lease (N1)', async () => {
  await using api = await serveLease();
  const { signal, output } = await run(api.port, '8000', '30');
  assert.equal(signal, null, output);
  const renewals = api.calls.filter(({ what }) => what === 'keep').map(({ at }) => at);
  assert.ok(renewals.length >= 2, `${renewals.length} renewals: ${output}`);
  assert.equal(api.calls.at(-1)?.what, 'revoke');
  const { worstMs } = JSON.parse(output.split('\n')[0] ?? '') as { readonly worstMs: number };
  assert.ok(worstMs >= 6_000 && worstMs < 12_000, output);
  assert.match(output, /The event loop of the agent stood still/);
});

test('an agent that never comes back is ended, so that its lease is too', async () => {
  await using api = await serveLease();
  const { signal, output } = await run(api.port, '20000', '2');
  assert.equal(signal, 'SIGKILL');
  assert.match(output, /The agent stands still and is ended/);
});
