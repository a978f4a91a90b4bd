import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

const MAX_BODY_BYTES = 16 * 1024;
const STOP_WITHIN_MS = 2_000;

export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void;

/** Serves on HOST and PORT; on SIGTERM finishes what is in flight, then ends. */
export function serve(handler: Handler, onStop: () => void = () => {}): void {
  const server = createServer((request, response) => {
    Promise.resolve(handler(request, response)).catch((error: unknown) => {
      console.error(error);
      if (!response.headersSent) sendJson(response, 500, { error: 'internal error' });
      else response.destroy();
    });
  });
  // Longer than any load balancer keeps an idle connection, so that a request never meets a closing socket.
  server.keepAliveTimeout = 75_000;
  const port = Number(process.env['PORT'] ?? 3000);
  server.listen(port, process.env['HOST'] ?? '127.0.0.1', () => console.log(`listening on ${port}`));
  process.on('SIGTERM', () => {
    server.close(() => {
      onStop();
      process.exit(0);
    });
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), STOP_WITHIN_MS).unref();
  });
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

/** The request's JSON object, or undefined if it is none or too large. */
export async function readJson(request: IncomingMessage): Promise<Record<string, unknown> | undefined> {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > MAX_BODY_BYTES) return undefined;
  }
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** The text as a positive whole number, or undefined. */
export function parseId(text: unknown): number | undefined {
  const id = Number(text);
  return Number.isSafeInteger(id) && id > 0 ? id : undefined;
}
