import { createHash } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';

const acceptGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const key = 'dGhlIHNhbXBsZSBub25jZQ==';
const payloadBytes = 64;

/** A backend that takes a WebSocket and sends each byte back: for a proxy, the same work as any echo server. As a program: PORT. */
function serve(port: number): void {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (head) => {
      const given = /sec-websocket-key: (\S+)/i.exec(head.toString('latin1'))?.[1] ?? '';
      const accept = createHash('sha1').update(`${given}${acceptGuid}`).digest('base64');
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
      socket.pipe(socket);
    });
  });
  server.listen(port, '127.0.0.1', () => process.stdout.write(`ready ${process.pid}\n`));
}

/** Sends one message at a time on each of `connections` WebSockets for `seconds`; resolves to the number of messages that came back. */
export async function echoLoad(options: { readonly port: number; readonly connections: number; readonly seconds: number }): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: options.connections }, async () => await openWebSocket(options.port)));
  const frame = maskedFrame();
  let echoed = 0;
  for (const socket of sockets) {
    let missing = frame.length;
    socket.on('data', (bytes) => {
      missing -= bytes.length;
      if (missing > 0) return;
      echoed++;
      missing = frame.length;
      socket.write(frame);
    });
    socket.write(frame);
  }
  await new Promise((resolve) => setTimeout(resolve, options.seconds * 1_000));
  for (const socket of sockets) socket.destroy();
  return echoed;
}

async function openWebSocket(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  socket.write(
    `GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  return await new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('data', (head) => {
      if (head.toString('latin1', 9, 12) === '101') resolve(socket);
      else reject(new Error(`No WebSocket on port ${port}: ${head.toString('latin1', 0, 40)}`));
    });
  });
}

/** A text message as clients send it (RFC 6455, 5.2), with a mask of zeros. */
function maskedFrame(): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | payloadBytes, 0, 0, 0, 0]), Buffer.alloc(payloadBytes, 'x')]);
}

if (import.meta.main) serve(Number(process.env['PORT']));
