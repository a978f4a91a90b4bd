import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { nodeWorld } from '#world/node/node-world';
import { ChunkedReader } from './dataplane/chunked-reader.ts';
import { ANSWER_STREAMS } from './dataplane/corpus-answers.ts';
import { Dataplane } from './dataplane/dataplane.ts';
import { LIMITS } from './dataplane/limits.ts';
import { openRing } from './dataplane/ring/open-ring.ts';
import { steadyLoad } from './fixture-load.ts';
import { backendAt, pause, RawClient, routeTo, startBackend, startGateway, until } from './live-fixture.ts';

const PIPELINED = { settings: { pipeline: true } } as const;
const clientCount = 24;

/** One request as it reached the backend. */
interface Asked {
  readonly socket: Socket;
  readonly method: string;
  readonly target: string;
}

/** A backend that tells of each request, however many come at once, and answers when the test says so. Requests have no bodies but those of POST, of 2 bytes. */
class ScriptedBackend implements Disposable {
  connections = 0;
  readonly asked: Asked[] = [];
  readonly #onRequest: (asked: Asked, backend: ScriptedBackend) => void;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => this.#serve(socket));

  constructor(onRequest: (asked: Asked, backend: ScriptedBackend) => void) {
    this.#onRequest = onRequest;
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    this.connections++;
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const [method = '', target = ''] = text.split(' ', 2);
        text = text.slice(end + 4 + (method === 'POST' ? 2 : 0));
        const asked = { socket, method, target };
        this.asked.push(asked);
        this.#onRequest(asked, this);
      }
    });
  }
}

/** A data plane before one pipelined backend, and clients of it. */
class Bench implements Disposable {
  readonly backend: ScriptedBackend;
  readonly dataplane = new Dataplane(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]), openRing().ring);
  address = { host: '127.0.0.1', port: 0 };
  readonly #clients: RawClient[] = [];

  constructor(onRequest: (asked: Asked, backend: ScriptedBackend) => void) {
    this.backend = new ScriptedBackend(onRequest);
  }

  async start(): Promise<this> {
    this.dataplane.apply(2, [routeTo([backendAt(1, await this.backend.listen())], PIPELINED)]);
    const bound = (await this.dataplane.listen('public', this.address, {})).address();
    this.address = { host: '127.0.0.1', port: typeof bound === 'object' && bound !== null ? bound.port : 0 };
    return this;
  }

  client(): RawClient {
    const client = new RawClient(this.address);
    client.socket.setNoDelay(true);
    this.#clients.push(client);
    return client;
  }

  /** All at once, each on a connection of its own that is open already. */
  async ask(requests: readonly string[]): Promise<readonly RawClient[]> {
    const clients = requests.map(() => this.client());
    await until(() => clients.every(({ socket }) => !socket.connecting), 'all clients are connected');
    requests.forEach((request, i) => {
      clients[i]?.send(request);
    });
    return clients;
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client.close();
    this.dataplane[Symbol.dispose]();
    this.backend[Symbol.dispose]();
  }
}

const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;
const plain = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** What the backend sends for a target, and the status and data of it; each kind ends in another way. */
function answerTo({ method, target }: Pick<Asked, 'method' | 'target'>): { readonly bytes: string; readonly status: number; readonly data: string } {
  if (method === 'HEAD') return { bytes: `HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX-Target: ${target}\r\n\r\n`, status: 200, data: '' };
  switch (Number(target.slice(-1)) % 6) {
    case 0:
      return { bytes: `HTTP/1.1 204 No Content\r\nX-Target: ${target}\r\n\r\n`, status: 204, data: '' };
    case 1:
      return { bytes: `HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nX-Target: ${target}\r\n\r\n`, status: 304, data: '' };
    case 2:
      return { bytes: `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${plain(target)}`, status: 200, data: target };
    case 3:
      return {
        bytes: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\n/\r\n${(target.length - 1).toString(16)}\r\n${target.slice(1)}\r\n0\r\nX-Sum: 1\r\n\r\n`,
        status: 200,
        data: target,
      };
    case 4:
      return { bytes: plain(target.repeat(2_000)), status: 200, data: target.repeat(2_000) };
    default:
      return { bytes: plain(target), status: 200, data: target };
  }
}

/** Data of a whole answer. */
function dataOf(text: string): string {
  const final = text.slice(/HTTP\/1\.1 [2-5]/.exec(text)?.index ?? 0);
  const body = Buffer.from(final.slice(final.indexOf('\r\n\r\n') + 4), 'latin1');
  if (!/transfer-encoding: chunked/i.test(final)) return body.toString('latin1');
  const reader = new ChunkedReader();
  reader.begin();
  let data = '';
  for (let at = 0; at >= 0 && at < body.length && !reader.done; ) {
    at = reader.read(body, at, body.length);
    if (at >= 0) data += body.toString('latin1', reader.dataAt, reader.dataEnd);
  }
  return data;
}

test('however answers are cut into reads, each client gets the whole of its own and nothing else', async () => {
  let seed = 20_261_127;
  const luck = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  const queues = new Map<Socket, Promise<void>>();
  using bench = await new Bench((asked) => {
    const { bytes } = answerTo(asked);
    const send = async () => {
      // At most eight pieces, the cuts anywhere.
      const cuts = [0, ...Array.from({ length: luck(8) }, () => luck(bytes.length)).sort((a, b) => a - b), bytes.length];
      for (let i = 1; i < cuts.length; i++) {
        asked.socket.write(bytes.slice(cuts[i - 1], cuts[i]), 'latin1');
        if (luck(3) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    };
    queues.set(asked.socket, (queues.get(asked.socket) ?? Promise.resolve()).then(send));
  }).start();
  for (let round = 0; round < 12; round++) {
    const targets = Array.from({ length: clientCount }, (_, i) => ({ method: luck(5) === 0 ? 'HEAD' : 'GET', target: `/${round}-${i}-${luck(10)}` }));
    const clients = await bench.ask(targets.map(({ method, target }) => `${method} ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`));
    for (const [i, client] of clients.entries()) {
      const asked = targets[i] as (typeof targets)[number];
      const { status, data } = answerTo(asked);
      const text = await client.ended();
      match(text, new RegExp(`(?:^|\\r\\n\\r\\n)HTTP/1\\.1 ${status} `), text.slice(0, 200));
      if (text.includes('X-Target')) match(text, new RegExp(`X-Target: ${asked.target}\r\n`));
      equal(dataOf(text), data, `${asked.method} ${asked.target}`);
    }
  }
  ok(bench.backend.connections < clientCount * 3, `${bench.backend.connections} connections for ${bench.backend.asked.length} requests`);
});

test('many requests share few connections', async () => {
  using bench = await new Bench(({ socket, target }) => socket.write(plain(target))).start();
  for (let round = 0; round < 5; round++) {
    const clients = await bench.ask(Array.from({ length: clientCount }, (_, i) => get(`/${round}-${i}`)));
    for (const [i, client] of clients.entries()) await client.receive(`\r\n\r\n/${round}-${i}`);
  }
  ok(bench.backend.connections <= LIMITS.pipelineConnections + 8, `${bench.backend.connections} connections`);
});

// A backend that sends an answer too many gives it to whoever is next: that cannot be seen, and is why pipelining is for backends that declare it.
const countable = ANSWER_STREAMS.filter(({ name, method }) => (method === 'GET' || method === 'HEAD') && !name.startsWith('another answer'));
for (const answer of countable) {
  test(`behind "${answer.group}: ${answer.name}" every request still gets its own answer`, async () => {
    using bench = await new Bench(({ socket, target }) => {
      if (target.startsWith('/canary')) socket.write(plain(target));
      else if (answer.ends) socket.end(Buffer.from(answer.bytes, 'latin1'));
      else socket.write(Buffer.from(answer.bytes, 'latin1'));
    }).start();
    const count = LIMITS.pipelineConnections * 2;
    const requests = Array.from({ length: count }, (_, i) => [`${answer.method} /odd-${i} HTTP/1.1\r\nHost: a\r\n\r\n`, get(`/canary-${i}`)]).flat();
    const clients = await bench.ask(requests);
    for (const [i, client] of clients.entries()) {
      if (i % 2 === 1) {
        const text = await client.receive(/\r\n\r\n\/canary-\d+$|HTTP\/1\.1 502/);
        ok(text.startsWith('HTTP/1.1 200') && text.endsWith(`\r\n\r\n/canary-${(i - 1) / 2}`), text);
      } else {
        await until(() => client.isEnded || client.text.includes('\r\n\r\n'), 'it is answered or cut off');
        if (answer.absent) ok(!answer.absent.test(client.text), client.text);
      }
    }
  });
}

/** Answers quickly until one connection takes all, however busy the machine is; then tells of requests and answers none. */
async function gatheringBench(): Promise<Bench> {
  const bench = await new Bench(({ socket, target }) => {
    if (target === '/first') socket.write(plain(target));
  }).start();
  const { asked } = bench.backend;
  do {
    const clients = await bench.ask([get('/first'), get('/first')]);
    for (const client of clients) await client.receive('\r\n\r\n/first');
  } while (asked.at(-1)?.socket !== asked.at(-2)?.socket);
  return bench;
}

/** Sends them at once, in this order; what came to the backend. */
async function askInTurn(bench: Bench, requests: readonly string[]): Promise<{ readonly clients: readonly RawClient[]; readonly sockets: readonly Socket[] }> {
  const before = bench.backend.asked.length;
  const clients = await bench.ask(requests);
  await until(() => bench.backend.asked.length === before + clients.length, 'the requests are at the backend');
  const targetOf = (request: string) => request.split(' ')[1];
  const asked = bench.backend.asked.slice(before);
  return { clients, sockets: requests.map((request) => asked.find(({ target }) => target === targetOf(request))?.socket as Socket) };
}

test('a body that a backend wrongly sends with the answer to a HEAD is nobody’s answer: nothing is put behind a HEAD', async () => {
  using bench = await gatheringBench();
  const { clients, sockets } = await askInTurn(bench, [get('/1'), 'HEAD /2 HTTP/1.1\r\nHost: a\r\n\r\n', get('/3')]);
  const [one, head, three] = sockets as [Socket, Socket, Socket];
  equal(one, head);
  ok(three !== head);
  one.write(plain('/1'));
  head.write(`HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n${plain('poison')}`);
  three.write(plain('/3'));
  await clients[0]?.receive('\r\n\r\n/1');
  await clients[1]?.receive('Content-Length: 44');
  await clients[2]?.receive('\r\n\r\n/3');
  for (const { text } of clients) ok(!text.includes('poison'), text);
});

test('bytes too many behind an answer are not the fault of the request behind it: that one is answered over another connection', async () => {
  using bench = await gatheringBench();
  const { clients, sockets } = await askInTurn(bench, [get('/1'), get('/2')]);
  equal(sockets[0], sockets[1]);
  sockets[0]?.write(`${plain('/1')}\r\n${plain('/2')}`);
  await clients[0]?.receive('\r\n\r\n/1');
  const isAgain = ({ socket, target }: Asked) => target === '/2' && socket !== sockets[0];
  await until(() => bench.backend.asked.some(isAgain), 'it was asked again over another connection');
  const again = bench.backend.asked.find(isAgain) as Asked;
  again.socket.write(plain('again'));
  await clients[1]?.receive('\r\n\r\nagain');
});

/** A backend that takes no more than a few connections before it is told to go on: others are neither refused nor made. It then answers each request with its target. */
const HESITANT = `
const { createServer } = require('node:net');
const server = createServer((socket) => {
  let text = '';
  socket.on('error', () => undefined);
  socket.on('data', (bytes) => {
    text += bytes;
    for (let end = text.indexOf('\\r\\n\\r\\n'); end >= 0; end = text.indexOf('\\r\\n\\r\\n')) {
      const target = text.split(' ')[1];
      text = text.slice(end + 4);
      socket.write('HTTP/1.1 200 OK\\r\\nContent-Length: ' + target.length + '\\r\\n\\r\\n' + target);
    }
  });
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  require('node:fs').writeSync(1, server.address().port + '\\n');
  require('node:fs').readSync(0, Buffer.alloc(1));
});`;

test('who goes away while the connection is being made takes no answer from those behind', async () => {
  const child = spawn(process.execPath, ['-e', HESITANT], { stdio: ['pipe', 'pipe', 'inherit'] });
  const fillers: Socket[] = [];
  try {
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const port = Number(line.toString());
    using dataplane = new Dataplane(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]), openRing().ring);
    const service = routeTo([backendAt(1, port)], { settings: { pipeline: true, timeouts: { connectMs: 20_000 } } } as never);
    dataplane.apply(2, [service]);
    const bound = (await dataplane.listen('public', { host: '127.0.0.1', port: 0 }, {})).address();
    const address = { host: '127.0.0.1', port: typeof bound === 'object' && bound !== null ? bound.port : 0 };
    // What the kernel takes for the backend.
    for (let i = 0; i < 4; i++) fillers.push(connect(port, '127.0.0.1').on('error', () => undefined));
    await until(() => fillers.some(({ connecting }) => !connecting), 'the queue of the backend fills');
    await pause(100);
    const clients = Array.from({ length: LIMITS.pipelineConnections * 3 }, () => new RawClient(address));
    await until(() => clients.every(({ socket }) => !socket.connecting), 'all clients are connected');
    clients.forEach((client, i) => {
      client.send(get(`/${i}`));
    });
    await until(() => dataplane.plane.requests === clients.length, 'all requests are read');
    const gone = clients.filter((_, i) => i % 3 === 0);
    for (const { socket } of gone) socket.resetAndDestroy();
    await until(() => dataplane.plane.clients.size === clients.length - gone.length, 'those are gone');
    child.stdin.write('x');
    for (const [i, client] of clients.entries()) if (i % 3 !== 0) ok((await client.receive(/\r\n\r\n\/\d+$/, 10_000)).endsWith(`\r\n\r\n/${i}`), client.text);
    for (const client of clients) client.close();
  } finally {
    for (const filler of fillers) filler.destroy();
    child.kill('SIGKILL');
  }
});

test('bytes that come when nobody waits end the connection, and nobody gets them', async () => {
  using bench = await new Bench(({ socket, target }) => {
    socket.write(plain(target));
    if (target === '/late') setTimeout(() => socket.write(plain('poison')), 20);
  }).start();
  const client = bench.client();
  client.send(get('/late'));
  await client.receive('/late');
  await pause(60);
  for (let i = 0; i < LIMITS.pipelineConnections * 2; i++) {
    client.send(get(`/next-${i}`));
    ok(!(await client.receive(`/next-${i}`)).includes('poison'), client.text);
  }
});

test('an answer that does not come holds up others only for a while, and comes in the end', async () => {
  const stuck: Socket[] = [];
  using bench = await new Bench(({ socket, target }) => {
    // As a server does that answers in order: nothing overtakes.
    if (target.startsWith('/stuck')) stuck.push(socket);
    else if (!stuck.includes(socket)) socket.write(plain(target));
  }).start();
  const count = LIMITS.pipelineConnections;
  const clients = await bench.ask([
    ...Array.from({ length: count }, (_, i) => get(`/stuck-${i}`)),
    ...Array.from({ length: clientCount }, (_, i) => get(`/held-${i}`)),
  ]);
  for (const [i, client] of clients.entries()) if (i >= count) await client.receive(`\r\n\r\n/held-${i - count}`);
  for (const socket of stuck) socket.write(plain('at last'));
  for (const client of clients.slice(0, count)) await client.receive('at last');
  const service = [...bench.dataplane.services.values()][0];
  deepEqual([...(service?.counts.retriesByReason.keys() ?? [])], ['held']);
});

test('a POST is never sent behind another request', async () => {
  const open = new Map<Socket, number>();
  let together = 0;
  using bench = await new Bench(({ socket, method, target }) => {
    const before = open.get(socket) ?? 0;
    if (method === 'POST' && before > 0) together++;
    open.set(socket, before + 1);
    setTimeout(() => {
      open.set(socket, (open.get(socket) ?? 1) - 1);
      socket.write(plain(target));
    }, 2);
  }).start();
  const requests = Array.from({ length: clientCount }, (_, i) =>
    i % 3 === 0 ? `POST /${i} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok` : get(`/${i}`),
  );
  for (const [i, client] of (await bench.ask(requests)).entries()) await client.receive(`\r\n\r\n/${i}`);
  equal(together, 0);
});

test('a backend that closes after each few answers loses no request', async () => {
  const answered = new Map<Socket, number>();
  using bench = await new Bench(({ socket, target }) => {
    const count = (answered.get(socket) ?? 0) + 1;
    answered.set(socket, count);
    if (count < 3) socket.write(plain(target));
    else if (count === 3) socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${target.length}\r\n\r\n${target}`);
  }).start();
  const clients = await bench.ask(Array.from({ length: clientCount }, (_, i) => get(`/${i}`)));
  for (const [i, client] of clients.entries()) match(await client.receive(/\r\n\r\n.+$/), new RegExp(`^HTTP/1\\.1 200 [\\s\\S]*\\r\\n\\r\\n/${i}$`));
});

test('an answer that breaks off is cut off for its client only', async () => {
  using bench = await new Bench(({ socket, target }) => {
    if (target === '/cut') socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    else socket.write(plain(target));
  }).start();
  const clients = await bench.ask([get('/cut'), ...Array.from({ length: clientCount }, (_, i) => get(`/${i}`))]);
  const text = await (clients[0] as RawClient).ended();
  ok(text === '' || text.endsWith('\r\n\r\nhalf'), text);
  for (const [i, client] of clients.entries()) if (i > 0) await client.receive(`\r\n\r\n/${i - 1}`);
});

test('clients that go away leave the answers of the others as they are', async () => {
  using bench = await new Bench(({ socket, target }) => setTimeout(() => socket.write(plain(target)), 5)).start();
  for (let round = 0; round < 6; round++) {
    const clients = await bench.ask(Array.from({ length: clientCount }, (_, i) => get(`/${round}-${i}`)));
    await until(() => bench.backend.asked.some(({ target }) => target.startsWith(`/${round}-`)), 'the backend has some of them');
    for (const [i, client] of clients.entries()) if (i % 3 === 0) client.close();
    for (const [i, client] of clients.entries()) if (i % 3 !== 0) await client.receive(`\r\n\r\n/${round}-${i}`);
  }
  await until(() => [...bench.dataplane.backends.values()].every(({ inFlight }) => inFlight === 0), 'nothing is in flight');
});

test('kill -9 of one of three pipelined backends: no GET fails', async () => {
  const backends = await Promise.all([1, 2, 3].map(async (number) => await startBackend({ name: `web-${number}`, delayMs: 5 })));
  try {
    const world = nodeWorld({ logLevel: 'error', logName: 'test' });
    await using gateway = await startGateway(world, {
      routes: [
        routeTo(
          backends.map(({ port }, i) => backendAt(i + 1, port)),
          PIPELINED,
        ),
      ],
    });
    await until(() => Object.values(gateway.status()?.backends ?? {}).filter(({ health }) => health === 'passing').length === 3, 'all backends pass');
    const load = steadyLoad({ address: gateway.address, ratePerSecond: 500, postShare: 0.1 });
    await delay(1_000);
    backends[1]?.child.kill('SIGKILL');
    await delay(2_000);
    const report = await load.stop();
    deepEqual(
      report.failures.filter(({ method }) => method === 'GET'),
      [],
    );
    ok(report.sent > 1_000);
  } finally {
    for (const backend of backends) await backend[Symbol.asyncDispose]();
  }
});
