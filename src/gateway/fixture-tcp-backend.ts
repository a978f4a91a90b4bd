import { createServer } from 'node:net';

/** A backend for live tests that speaks no HTTP: run as a program, it prints its port. It says its NAME first, then sends back what it gets, and ends when the other side does. */
const name = process.env['NAME'] ?? 'backend';

const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.write(`${name}\n`);
  socket.pipe(socket);
});

server.listen(Number(process.env['PORT'] ?? 0), '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) process.stdout.write(`${address.port}\n`);
});
process.on('disconnect', () => process.exit(0));
