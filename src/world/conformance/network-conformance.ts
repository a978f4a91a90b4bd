import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toBytes, toText } from '#base/bytes';
import type { Address, Clock, NetworkResponse, ServedRequest } from '../world.ts';
import type { WorldUnderTest } from './world-under-test.ts';

const anyPort: Address = { host: '127.0.0.1', port: 0 };
const timeoutMs = 2_000;

/** The claims of the port `Network`. */
export function networkConformance({ name, run }: WorldUnderTest): void {
  test(`network (${name}): a request reaches its handler whole and the answer comes back whole`, () =>
    run(async ({ world: { network } }) => {
      await using server = await network.serve(anyPort, async (request) => {
        const body = `${request.method} ${request.path} ${request.headers['x-one']} ${await textOf(request.body)}`;
        return { status: 201, headers: { 'X-Two': '2' }, body: chunks(body) };
      });
      const response = await network.request(
        server.address,
        { method: 'POST', path: '/path?q=1', headers: { 'X-One': '1' }, body: toBytes('body') },
        { timeoutMs },
      );
      assert.deepEqual(
        { status: response.status, two: response.headers['x-two'], text: await textOf(response.body) },
        { status: 201, two: '2', text: 'POST /path?q=1 1 body' },
      );
    }));

  test(`network (${name}): bodies stream both ways: each part arrives before the next is made`, () =>
    run(async ({ world: { network, clock } }) => {
      await using server = await network.serve(anyPort, async (request) => ({ status: 200, headers: {}, body: request.body }));
      const log: string[] = [];
      async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
        for (const part of ['a', 'b', 'c']) {
          log.push(`sent ${part}`);
          yield toBytes(part);
          await clock.sleep(40);
        }
      }
      const response = await network.request(server.address, { method: 'POST', path: '/', body: source() }, { timeoutMs });
      for await (const part of response.body) log.push(`got ${toText(part)}`);
      assert.deepEqual(log, ['sent a', 'got a', 'sent b', 'got b', 'sent c', 'got c']);
    }));

  test(`network (${name}): an answer that does not come in time is a TIMEOUT, and the server hears that the client has gone`, () =>
    run(async ({ world: { network, clock } }) => {
      const gone = Promise.withResolvers<void>();
      await using server = await network.serve(anyPort, (request) => never(request, gone.resolve));
      await assert.rejects(network.request(server.address, { method: 'GET', path: '/' }, { timeoutMs: 30 }), { code: 'TIMEOUT' });
      await within(clock, gone.promise);
    }));

  test(`network (${name}): an abort ends the wait for the head and the reading of the body`, () =>
    run(async ({ world: { network, clock } }) => {
      await using server = await network.serve(anyPort, (request) =>
        request.path === '/never' ? never(request) : Promise.resolve({ status: 200, headers: {}, body: endless(clock, request.signal) }),
      );
      const first = new AbortController();
      clock.after(20, () => first.abort());
      await assert.rejects(network.request(server.address, { method: 'GET', path: '/never' }, { timeoutMs, signal: first.signal }), { code: 'ABORTED' });
      const second = new AbortController();
      const response = await network.request(server.address, { method: 'GET', path: '/' }, { timeoutMs, signal: second.signal });
      clock.after(20, () => second.abort());
      await assert.rejects(textOf(response.body), { code: 'ABORTED' });
    }));

  test(`network (${name}): leaving the body early tells the server to stop`, () =>
    run(async ({ world: { network, clock } }) => {
      const gone = Promise.withResolvers<void>();
      await using server = await network.serve(anyPort, async (request) => {
        request.signal.addEventListener('abort', () => gone.resolve());
        return { status: 200, headers: {}, body: endless(clock, request.signal) };
      });
      const response = await network.request(server.address, { method: 'GET', path: '/' }, { timeoutMs });
      for await (const _ of response.body) break;
      await within(clock, gone.promise);
    }));

  test(`network (${name}): where nobody listens a request and a probe are UNAVAILABLE`, () =>
    run(async ({ world: { network } }) => {
      const server = await network.serve(anyPort, empty);
      await network.probe(server.address, { timeoutMs });
      await server[Symbol.asyncDispose]();
      await assert.rejects(network.request(server.address, { method: 'GET', path: '/' }, { timeoutMs }), { code: 'UNAVAILABLE' });
      await assert.rejects(network.probe(server.address, { timeoutMs }), { code: 'UNAVAILABLE' });
    }));

  test(`network (${name}): a port in use is LOCKED, and free again when its server is disposed`, () =>
    run(async ({ world: { network } }) => {
      const first = await network.serve(anyPort, empty);
      await assert.rejects(network.serve(first.address, empty), { code: 'LOCKED' });
      await first[Symbol.asyncDispose]();
      await using second = await network.serve(first.address, empty);
      assert.deepEqual(second.address, first.address);
    }));

  test(`network (${name}): a body that breaks at the server is UNAVAILABLE at the client, not a short answer`, () =>
    run(async ({ world: { network } }) => {
      await using server = await network.serve(anyPort, async () => ({ status: 200, headers: {}, body: breaking() }));
      const response = await network.request(server.address, { method: 'GET', path: '/' }, { timeoutMs });
      await assert.rejects(textOf(response.body), { code: 'UNAVAILABLE' });
    }));

  test(`network (${name}): a body far larger than any buffer arrives whole`, () =>
    run(async ({ world: { network } }) => {
      await using server = await network.serve(anyPort, async (request) => ({ status: 200, headers: {}, body: request.body }));
      async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
        for (let i = 0; i < 200; i++) yield new Uint8Array(40_000).fill(i);
      }
      const response = await network.request(server.address, { method: 'POST', path: '/', body: source() }, { timeoutMs });
      let position = 0;
      for await (const part of response.body) for (const byte of part) if (byte !== Math.floor(position++ / 40_000) % 256) assert.fail(`byte ${position}`);
      assert.equal(position, 8_000_000);
    }));

  test(`network (${name}): a server that came back answers the clients of the one before`, () =>
    run(async ({ world: { network } }) => {
      const first = await network.serve(anyPort, empty);
      const get = async () => (await network.request(first.address, { method: 'GET', path: '/' }, { timeoutMs })).status;
      assert.equal(await get(), 204);
      await first[Symbol.asyncDispose]();
      await using _second = await network.serve(first.address, empty);
      assert.equal(await get(), 204);
    }));

  test(`network (${name}): a handler that throws is a 500 without a word of why`, () =>
    run(async ({ world: { network } }) => {
      await using server = await network.serve(anyPort, async () => {
        throw new Error('secret');
      });
      const response = await network.request(server.address, { method: 'GET', path: '/' }, { timeoutMs });
      assert.deepEqual({ status: response.status, text: await textOf(response.body) }, { status: 500, text: '' });
    }));
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function* chunks(text: string): AsyncGenerator<Uint8Array, void, undefined> {
  for (const letter of text) yield toBytes(letter);
}

async function* breaking(): AsyncGenerator<Uint8Array, void, undefined> {
  yield toBytes('half');
  throw new Error('the source broke');
}

async function* endless(clock: Clock, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  while (!signal.aborted) {
    yield toBytes('tick');
    await clock.sleep(5);
  }
}

async function empty(): Promise<NetworkResponse> {
  return { status: 204, headers: {}, body: chunks('') };
}

function never(request: ServedRequest, onGone?: () => void): Promise<NetworkResponse> {
  return new Promise((_, reject) => {
    request.signal.addEventListener('abort', () => {
      onGone?.();
      reject(request.signal.reason);
    });
  });
}

async function within(clock: Clock, promise: Promise<void>): Promise<void> {
  const giveUp = new AbortController();
  const late = clock.sleep(timeoutMs, giveUp.signal).then(() => assert.fail(`did not happen within ${timeoutMs} ms`));
  await Promise.race([promise, late]);
  giveUp.abort();
  await late.catch(() => undefined);
}
