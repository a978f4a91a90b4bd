import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseName } from '#base/name';
import { CHUNKED_BODIES, REQUESTS } from '#gateway/dataplane/corpus';
import { ANSWER_STREAMS, type AnswerCase } from '#gateway/dataplane/corpus-answers';
import { STREAMS } from '#gateway/dataplane/corpus-streams';
import { Dataplane } from '#gateway/dataplane/dataplane';
import { openRing } from '#gateway/dataplane/ring/open-ring';
import { RecordingBackend } from '#gateway/recording-backend';
import { instanceIdOf } from '#model/instance';
import { benchOptions } from './options.ts';

const help = `The framing corpus against our data plane, nginx and HAProxy, each before a recording backend of its own; prints Markdown tables. Needs nginx and haproxy.

  node bench/gateway-corpus.ts`;

const quietMs = 250;
/** Stands for what came where nothing came before the end. */
const closedSilently = 'closed';
const backendEndsMs = 100;
const firstPeerPort = 18_080;
const startMs = 400;

interface Front {
  readonly name: string;
  readonly port: number;
  readonly backend: RecordingBackend;
}

interface Seen {
  /** Statuses in order; `-`: none in time. */
  readonly statuses: string;
  readonly forwarded: readonly string[];
}

benchOptions(help, {});
const directory = mkdtempSync(join(tmpdir(), 'haven-corpus-'));
const children: ChildProcess[] = [];
try {
  const ours = await startOurs();
  const fronts = [ours, await startPeer('nginx', firstPeerPort), await startPeer('haproxy', firstPeerPort + 1)];
  await new Promise((resolve) => setTimeout(resolve, startMs));
  process.stdout.write(`${execFileSync('haproxy', ['-v']).toString().split('\n')[0]}; ${spawnSync('nginx', ['-v']).stderr.toString().trim()}\n\n`);
  const requestResults = await Promise.all(fronts.map(async (front) => await runRequests(front)));
  const answerResults = await Promise.all(fronts.map(async (front) => await runAnswers(front)));
  printTables('request', requestResults, requestCases());
  printTables('answer', answerResults, ANSWER_STREAMS);
} finally {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
}
process.exit(0);

interface Case {
  readonly name: string;
  readonly group: string;
  readonly bytes: string;
}

function requestCases(): readonly Case[] {
  const heads = REQUESTS.map(({ name, bytes, expect }) => {
    const body = expect === 'ok' && /transfer-encoding/i.test(bytes) ? '0\r\n\r\n' : '';
    return { name, bytes: bytes + body, group: groupOf(expect) };
  });
  const bodies = CHUNKED_BODIES.map(({ name, bytes, expect }) => ({
    name,
    bytes: `POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${bytes}`,
    group: expect === 'broken' ? 'chunks' : 'well-formed heads and bodies',
  }));
  return [...heads, ...bodies, ...STREAMS];
}

/** Class of a head that is refused for this reason. */
function groupOf(expect: string): string {
  if (expect === 'ok') return 'well-formed heads and bodies';
  if (/method|version/.test(expect)) return 'request line';
  if (/target|connect$|host/.test(expect)) return 'target';
  if (/length-and/.test(expect)) return 'length beside coding';
  if (/coding/.test(expect)) return 'obscured coding';
  if (/too-/.test(expect)) return 'limits';
  if (/length/.test(expect)) return 'length';
  if (/upgrade/.test(expect)) return 'Upgrade';
  if (/connection/.test(expect)) return 'hop-by-hop and trust';
  return 'lines and blanks';
}

async function runRequests(front: Front): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (const { bytes } of requestCases()) {
    front.backend.requests.length = 0;
    const text = await send(front.port, bytes);
    seen.push({ statuses: statusesOf(text), forwarded: front.backend.requests.map((request) => request.slice(0, request.indexOf('\r\n'))) });
  }
  return seen;
}

async function runAnswers(front: Front): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (const { bytes, ends, method, group } of ANSWER_STREAMS) {
    front.backend.answer = (socket) => {
      if (ends) socket.end(Buffer.from(bytes, 'latin1'));
      else socket.write(Buffer.from(bytes, 'latin1'));
      // A proxy that took the answer for one without a length would wait for its end.
      if (group !== 'bytes behind the answer') setTimeout(() => socket.end(), backendEndsMs);
    };
    const text = await send(front.port, askFor(method));
    front.backend.answer = undefined;
    const canary = await send(front.port, 'GET /canary-1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    const isPoisoned = !canary.includes('/canary-1');
    const isCut = method === 'GET' && !isWhole(text);
    seen.push({ statuses: `${statusesOf(text)}${isCut ? ' cut' : ''}`, forwarded: isPoisoned ? ['the next request got a wrong answer'] : [] });
  }
  return seen;
}

function askFor(method: AnswerCase['method']): string {
  if (method === 'POST') return 'POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc';
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\n';
  return `${method === 'HEAD' ? 'HEAD' : 'GET'} /answer HTTP/1.1\r\nHost: a\r\n${method === 'WEBSOCKET' ? upgrade : ''}\r\n`;
}

/** Sends the bytes and collects until the end, or until nothing came for a while. */
async function send(port: number, bytes: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port });
  const over = Promise.withResolvers<void>();
  let text = '';
  let timer = setTimeout(over.resolve, 2 * quietMs);
  socket.on('data', (data) => {
    text += data.toString('latin1');
    clearTimeout(timer);
    timer = setTimeout(over.resolve, quietMs);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    if (text === '') text = closedSilently;
    over.resolve();
  });
  socket.write(Buffer.from(bytes, 'latin1'));
  await over.promise;
  clearTimeout(timer);
  socket.destroy();
  return text;
}

/** False for an answer whose framing says that more was to come. */
function isWhole(text: string): boolean {
  const at = /HTTP\/1\.[01] [2-5]/.exec(text)?.index;
  if (at === undefined) return true;
  const final = text.slice(at);
  const end = final.indexOf('\r\n\r\n') + 4;
  const head = final.slice(0, end);
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return /(?:^|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n$/.test(final.slice(end));
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  return / (?:204|304) /.test(head) || length === undefined || final.length - end >= Number(length);
}

function statusesOf(text: string): string {
  const found = [...text.matchAll(/HTTP\/1\.[01] ([2-5]\d\d)/g)].map(([, status]) => status);
  if (found.length > 0) return found.join(' ');
  if (text === '') return '-';
  if (text === closedSilently) return text;
  return text.includes(' 101 ') ? '101' : text.startsWith('HTTP/1') ? 'waits' : 'not HTTP/1';
}

function printTables(kind: 'request' | 'answer', results: readonly Seen[][], cases: readonly Case[]): void {
  const [ours = [], nginx = [], haproxy = []] = results;
  const groups = Map.groupBy(
    cases.map((one, index) => ({ ...one, index })),
    ({ group }) => group,
  );
  process.stdout.write(`| class of ${kind} | cases | ours | nginx | HAProxy |\n|---|---|---|---|---|\n`);
  for (const [group, members] of groups) {
    const cells = [ours, nginx, haproxy].map((seen) => summary(members.map(({ index }) => seen[index] as Seen)));
    process.stdout.write(`| ${group} | ${members.length} | ${cells.join(' | ')} |\n`);
  }
  process.stdout.write(`\n| ${kind} | ours | nginx | HAProxy |\n|---|---|---|---|\n`);
  cases.forEach(({ group, name }, index) => {
    const [first, ...others] = [ours, nginx, haproxy].map((seen) => cellOf(seen[index] as Seen));
    if (others.some((other) => other !== first)) process.stdout.write(`| ${group}: ${name} | ${first} | ${others.join(' | ')} |\n`);
  });
  process.stdout.write('\n');
}

/** `3 accepted, 2 × 400`, by the first status. */
function summary(seen: readonly Seen[]): string {
  const counts = new Map<string, number>();
  for (const { statuses } of seen) {
    const [first = '-'] = statuses.split(' ');
    const word =
      first === '-'
        ? 'waits'
        : first === closedSilently
          ? first
          : first === 'not'
            ? 'not HTTP/1'
            : first >= '400'
              ? first
              : statuses.endsWith(' cut')
                ? 'cut short'
                : 'accepted';
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const wrong = seen.filter(({ forwarded }) => forwarded.some((line) => line.includes('wrong answer'))).length;
  const text = [...counts].map(([word, count]) => `${count} ${/^[4-5]/.test(word) ? `× ${word}` : word}`).join(', ');
  return wrong > 0 ? `${text}; ${wrong} spoiled the next request` : text;
}

function cellOf({ statuses, forwarded }: Seen): string {
  const lines = forwarded.map(
    (line) =>
      `\`${line
        .replaceAll(/[^\x20-\x7e]/g, '?')
        .replaceAll('|', '\\|')
        .slice(0, 40)}\``,
  );
  return `${statuses === '-' ? 'waits' : statuses}${lines.length === 0 ? '' : ` → ${lines.join(', ')}`}`;
}

async function startOurs(): Promise<Front> {
  const backend = new RecordingBackend();
  const dataplane = new Dataplane(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]), openRing().ring);
  const app = parseName('corpus', 'an app');
  const service = parseName('web', 'a service');
  const address = { host: '127.0.0.1', port: await backend.listen() };
  const target = { id: instanceIdOf(app, service, 1, 1), name: 'web.1', attempt: 1, address, weight: 1, tier: 'primary', state: 'active' } as const;
  dataplane.apply(2, [{ app, service, matches: [{ host: '*', path: '/' }], balance: 'round-robin', backends: [target] }]);
  const bound = (await dataplane.listen('public', { host: '127.0.0.1', port: 0 })).address();
  return { name: 'ours', port: typeof bound === 'object' && bound !== null ? bound.port : 0, backend };
}

async function startPeer(name: 'nginx' | 'haproxy', port: number): Promise<Front> {
  const backend = new RecordingBackend();
  const origin = await backend.listen();
  const file = join(directory, `${name}.conf`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${directory};`).join(' ');
  const nginx = `daemon off; master_process off; error_log ${directory}/error.log crit; pid ${directory}/pid; events {}
http { access_log off; ${temporary} upstream origin { server 127.0.0.1:${origin} max_fails=0; keepalive 16; }
 server { listen 127.0.0.1:${port}; location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; } } }`;
  const haproxy = `global
  nbthread 1
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:${port}
  default_backend origin
backend origin
  server one 127.0.0.1:${origin}
`;
  writeFileSync(file, name === 'nginx' ? nginx : haproxy);
  children.push(spawn(name, name === 'nginx' ? ['-c', file] : ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'ignore'] }));
  return { name, port, backend };
}
