import { deepEqual, equal, match } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort, isAlive, RawClient, until } from '#gateway/live-fixture';
import { type RunningGateway, runGateway } from './gateway-fixture.ts';

/** What becomes of what is in flight when a gateway's first process is gone without having ended it. */

const HALF = 'half of it, ';
const REST = 'and the rest';

/** A backend that answers with what it was sent, but `/held` only when it is let go. */
class HoldingBackend {
  readonly #held: (() => void)[] = [];
  readonly #server = createServer((request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => (body += part.toString()));
    if (request.url === '/held') this.#held.push(() => answerAtEnd());
    else request.on('end', () => response.end('served'));
    const answerAtEnd = () => (request.complete ? answer(response, body) : request.on('end', () => answer(response, body)));
  });

  get held(): number {
    return this.#held.length;
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const bound = this.#server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : 0;
  }

  letGo(): void {
    for (const answer of this.#held.splice(0)) answer();
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function answer(response: ServerResponse, body: string): void {
  response.end(`whole: ${body}`);
}

interface Site {
  readonly backend: HoldingBackend;
  readonly gateway: RunningGateway;
  readonly workers: readonly number[];
  /** Starts the command again, in the same place with the same file. */
  again(): Promise<RunningGateway>;
}

/** A gateway of two workers at a port that was chosen before. Its file is code, which its first process evaluates. */
async function startSite(t: TestContext): Promise<Site> {
  const directory = await mkdtemp(join(tmpdir(), 'haven-parent-'));
  t.after(async () => await rm(directory, { recursive: true, force: true }));
  const backend = new HoldingBackend();
  t.after(() => backend.close());
  const config = {
    listen: `127.0.0.1:${await freePort()}`,
    routes: [{ service: 'web' }],
    services: { web: { backends: [`127.0.0.1:${await backend.listen()}`] } },
  };
  const mistake = "process.on('SIGUSR2', () => { throw new Error('a mistake of the file'); });";
  await writeFile(join(directory, 'gateway.mjs'), `${mistake}\nexport default ${JSON.stringify(config)};\n`);
  const start = async () => {
    const gateway = await runGateway({ directory }, { file: 'gateway.mjs', workers: 2 });
    t.after(async () => await gateway[Symbol.asyncDispose]());
    return gateway;
  };
  const gateway = await start();
  const { workers } = (await (await fetch(`http://${gateway.admin}/status`)).json()) as { readonly workers: readonly { readonly pid: number }[] };
  return { backend, gateway, workers: workers.map(({ pid }) => pid), again: start };
}

/** Requests that are at the backend, one of them with half of its body. */
async function openHeld(t: TestContext, { backend, gateway }: Site): Promise<readonly RawClient[]> {
  const clients = Array.from({ length: 6 }, (_, i) => {
    const client = new RawClient(gateway.address);
    t.after(() => client.close());
    client.send(
      i === 0 ? `POST /held HTTP/1.1\r\nHost: x\r\nContent-Length: ${HALF.length + REST.length}\r\n\r\n${HALF}` : 'GET /held HTTP/1.1\r\nHost: x\r\n\r\n',
    );
    return client;
  });
  await until(() => backend.held === clients.length, 'all requests are at the backend');
  return clients;
}

async function isRefused({ address }: RunningGateway): Promise<boolean> {
  return await fetch(`http://${address.host}:${address.port}/`).then(
    () => false,
    (error: Error) => (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED',
  );
}

async function allAnswered(clients: readonly RawClient[]): Promise<void> {
  clients[0]?.send(REST);
  for (const [i, client] of clients.entries()) {
    const text = await client.receive(i === 0 ? `whole: ${HALF}${REST}` : 'whole: ');
    match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\nConnection: close\r\n/i);
  }
}

test('when its first process is killed the workers end what is in flight and give the ports back, so that the next one starts at once', async (t) => {
  const site = await startSite(t);
  const { backend, gateway, workers } = site;
  const clients = await openHeld(t, site);
  gateway.child.kill('SIGKILL');
  await until(async () => await isRefused(gateway), 'nobody listens any more');
  deepEqual(workers.map(isAlive), [true, true]);
  const next = site.again();
  backend.letGo();
  await allAnswered(clients);
  const { address } = await next;
  deepEqual(address, gateway.address);
  equal(await (await fetch(`http://${address.host}:${address.port}/`)).text(), 'served');
  await until(() => !workers.some(isAlive), 'workers without a parent end');
});

test('an error that nobody caught ends its first process with what it was, not what is in flight', async (t) => {
  const site = await startSite(t);
  const { backend, gateway, workers } = site;
  const clients = await openHeld(t, site);
  gateway.child.kill('SIGUSR2');
  await until(() => gateway.child.exitCode !== null, 'it ends');
  equal(gateway.child.exitCode, 1);
  backend.letGo();
  await allAnswered(clients);
  const said = gateway
    .log()
    .split('\n')
    .find((line) => line.includes('"level":"error"'));
  const { message, cause } = JSON.parse(said ?? '{}') as Record<string, string>;
  match(message ?? '', /met an error that nobody caught/);
  match(cause ?? '', /a mistake of the file/);
  await until(() => !workers.some(isAlive), 'workers without a parent end');
});
