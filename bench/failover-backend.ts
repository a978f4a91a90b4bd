import { createHash } from 'node:crypto';
import { appendFileSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';

/**
 * A backend that misbehaves when told to, as a program: PORT, RECORD (a file). It writes down the id of each POST before it answers, so that a kill loses none, and
 * how many requests of users it got in each 50 ms. Messages change how it answers.
 */
export type BackendMode =
  | { readonly kind: 'normal' }
  /** Every answer is cut in the middle of its body. */
  | { readonly kind: 'reset' }
  | { readonly kind: 'slow'; readonly addedMs: number }
  /** 503 at once. */
  | { readonly kind: 'fail' }
  /** Refuses and resets for `periodMs`, serves as long, and so on. */
  | { readonly kind: 'flap'; readonly periodMs: number };

const port = Number(process.env['PORT']);
const record = process.env['RECORD'] ?? '/dev/null';
const name = process.env['NAME'] ?? 'backend';
const answerMs = Number(process.env['DELAY_MS'] ?? 20);
const bucketMs = 50;
const body = JSON.stringify({ name, filler: 'x'.repeat(80) });

let mode: BackendMode = { kind: 'normal' };
let bucket = 0;
let arrivals = 0;

function countArrival(): void {
  const now = Math.floor(Date.now() / bucketMs);
  if (now !== bucket) flush();
  bucket = now;
  arrivals++;
}

function flush(): void {
  if (arrivals > 0) appendFileSync(record, `arrived ${bucket * bucketMs} ${arrivals}\n`);
  arrivals = 0;
}

const server = createServer((request, response) => {
  if (request.url === '/healthz') {
    response.end('ok');
    return;
  }
  countArrival();
  if (request.method === 'POST') appendFileSync(record, `post ${request.headers['x-id']}\n`);
  request.resume();
  request.on('end', () => {
    if (mode.kind === 'fail') response.writeHead(503, { 'content-length': '0' }).end();
    else setTimeout(() => answer(response), answerMs + (mode.kind === 'slow' ? mode.addedMs : 0));
  });
});

function answer(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(body.length) });
  if (mode.kind !== 'reset') {
    response.end(body);
    return;
  }
  response.write(body.slice(0, 20));
  setTimeout(() => response.socket?.resetAndDestroy(), 5);
}

server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  socket.pipe(socket);
  socket.on('error', () => socket.destroy());
});

// A kept connection ends five seconds after its last answer: Node adds a second to what it is told.
server.keepAliveTimeout = 4_000;
server.on('error', () => setTimeout(listen, 20));

function listen(): void {
  server.listen(port, '127.0.0.1', 4_096);
}

function flap(periodMs: number): void {
  if (mode.kind !== 'flap') return;
  server.close();
  server.closeAllConnections();
  setTimeout(() => {
    listen();
    setTimeout(() => flap(periodMs), periodMs);
  }, periodMs);
}

process.on('message', (message: BackendMode) => {
  mode = message;
  if (mode.kind === 'flap') flap(mode.periodMs);
});
process.on('disconnect', () => process.exit(0));
writeFileSync(record, '', { flag: 'a' });
setInterval(flush, 100);
server.once('listening', () => process.send?.('listening'));
listen();
