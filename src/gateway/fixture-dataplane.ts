import { type ClientHttp2Session, connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import type { ConnectionOptions } from 'node:tls';
import type { Route } from '#model/route';
import type { Address } from '#world/world';
import { Dataplane } from './dataplane/dataplane.ts';
import type { ListenerSettings } from './dataplane/listener-settings.ts';
import { openRing } from './dataplane/ring/open-ring.ts';

export interface LiveDataplane extends Disposable {
  readonly dataplane: Dataplane;
  readonly address: Address;
}

/** A worker's data plane in this process, with one listener: what it does can be looked at from inside, and what it throws fails the test. */
export async function startDataplane(routes: readonly Route[], settings: ListenerSettings = {}): Promise<LiveDataplane> {
  const dataplane = new Dataplane(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]), openRing().ring);
  dataplane.apply(1, routes);
  const server = await dataplane.listen('public', { host: '127.0.0.1', port: 0 }, settings);
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  return { dataplane, address: { host: '127.0.0.1', port }, [Symbol.dispose]: () => dataplane[Symbol.dispose]() };
}

export interface Http2Answer {
  readonly status: number;
  readonly fields: IncomingHttpHeaders;
  readonly informational: readonly IncomingHttpHeaders[];
  readonly trailers: IncomingHttpHeaders | undefined;
  readonly body: Buffer;
  /** With which the stream ended (RFC 9113, 7). */
  readonly code: number;
}

/** A client of HTTP/2 with one connection. */
export class Http2Client implements Disposable {
  readonly session: ClientHttp2Session;

  /** With `tls` it asks for HTTP/2 by ALPN. */
  constructor(address: Address, tls?: ConnectionOptions) {
    this.session = connect(`${tls === undefined ? 'http' : 'https'}://${address.host}:${address.port}`, { ...tls });
    this.session.on('error', () => undefined);
  }

  async ask(fields: OutgoingHttpHeaders = {}, body?: Buffer | AsyncIterable<Buffer>, trailers?: OutgoingHttpHeaders): Promise<Http2Answer> {
    const stream = this.session.request(fields, { endStream: body === undefined, waitForTrailers: trailers !== undefined });
    const over = Promise.withResolvers<void>();
    const informational: IncomingHttpHeaders[] = [];
    const parts: Buffer[] = [];
    let head: IncomingHttpHeaders = {};
    let answerTrailers: IncomingHttpHeaders | undefined;
    stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
    stream.on('headers', (its) => informational.push(its));
    stream.on('response', (its) => {
      head = its;
    });
    stream.on('trailers', (its) => {
      answerTrailers = its;
    });
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('error', () => undefined);
    stream.on('close', () => over.resolve());
    if (Buffer.isBuffer(body)) stream.end(body);
    else if (body !== undefined) {
      for await (const part of body) if (!stream.destroyed) stream.write(part);
      stream.end();
    }
    await over.promise;
    return {
      status: Number(head[':status'] ?? 0),
      fields: head,
      informational,
      trailers: answerTrailers,
      body: Buffer.concat(parts),
      code: stream.rstCode ?? 0,
    };
  }

  [Symbol.dispose](): void {
    this.session.destroy();
  }
}
