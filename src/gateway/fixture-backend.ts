import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { after } from './dataplane/clock.ts';

/** A backend for live tests: run as a program, it prints its port. DELAY_MS is how long each answer takes; NAME is what it calls itself. */
const delayMs = Number(process.env['DELAY_MS'] ?? 0);
const name = process.env['NAME'] ?? 'backend';
let posts = 0;

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const url = new URL(request.url ?? '/', 'http://backend');
    const body = Buffer.concat(parts);
    if (request.method === 'POST') posts++;
    const answer = () => {
      if (url.pathname === '/chunked') {
        response.write('first ');
        response.end('second');
        return;
      }
      const json = JSON.stringify({
        name,
        method: request.method,
        url: request.url,
        headers: request.rawHeaders,
        bytes: body.length,
        sha: createHash('sha1').update(body).digest('hex'),
        posts,
      });
      response.setHeader('content-type', 'application/json');
      response.setHeader('content-length', Buffer.byteLength(json));
      response.end(json);
    };
    const wait = Number(url.searchParams.get('wait') ?? (url.pathname === '/ready' ? 0 : delayMs));
    if (wait > 0) after(wait, answer);
    else answer();
  });
});

server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  // Enough for a test of the tunnel: what comes goes back.
  socket.pipe(socket);
  socket.on('error', () => socket.destroy());
});

server.listen(Number(process.env['PORT'] ?? 0), '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) process.stdout.write(`${address.port}\n`);
});
process.on('disconnect', () => process.exit(0));
