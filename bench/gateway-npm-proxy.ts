import { Agent, createServer, type RequestListener } from 'node:http';
import replyFrom from '@fastify/reply-from';
import fastProxy from 'fast-proxy';
import fastify from 'fastify';
import { createProxyServer } from 'http-proxy-3';

/** One of npm's proxies in its fast configuration, as a program: KIND, PORT, and ORIGIN (a port). */
const origin = `http://127.0.0.1:${process.env['ORIGIN']}`;
const port = Number(process.env['PORT']);
const mostConnections = 512;

async function listen(listener: RequestListener): Promise<void> {
  const server = createServer({ keepAliveTimeout: 60_000 }, listener);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
}

const KINDS: Readonly<Record<string, () => Promise<void>>> = {
  'http-proxy-3': async () => {
    const proxy = createProxyServer({ target: origin, agent: new Agent({ keepAlive: true, maxSockets: mostConnections }), xfwd: true });
    proxy.on('error', (error) => process.stderr.write(`${error.message}\n`));
    await listen((request, response) => proxy.web(request, response));
  },
  'reply-from': async () => {
    const app = fastify({ keepAliveTimeout: 60_000 });
    await app.register(replyFrom, { base: origin, undici: { connections: mostConnections, pipelining: 1 } });
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    app.all('/*', (request, reply) => reply.from(request.url));
    await app.listen({ host: '127.0.0.1', port });
  },
  'fast-proxy': async () => {
    const { proxy } = fastProxy({ base: origin, undici: { connections: mostConnections, pipelining: 1 } });
    await listen((request, response) => proxy(request, response, request.url ?? '/', {}));
  },
};

await KINDS[process.env['KIND'] ?? '']?.();
process.once('SIGTERM', () => process.exit(0));
process.stdout.write(`ready ${process.pid}\n`);
