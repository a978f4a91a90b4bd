import { ChunkedReader } from '#gateway/dataplane/chunked-reader';
import { BODY, Head, SCAN } from '#gateway/dataplane/head';
import { scanAnswer } from '#gateway/dataplane/scan-answer';
import { StreamWire } from '#gateway/dataplane/stream-wire';
import type { WireUser } from '#gateway/dataplane/wire';
import type { LoadRequest } from './open-loop.ts';

const readBytes = 64 * 1024;

/** What a connection tells its generator. */
export interface LoadConnectionUser<Job> {
  onAnswer(job: Job, status: number, proxyStatus: string | undefined): void;
  onFailure(job: Job, reason: string): void;
  onFree(connection: LoadConnection<Job>): void;
  onClosed(connection: LoadConnection<Job>): void;
}

/** A kept-alive client connection with one request at a time. Bodies are read and dropped. */
export class LoadConnection<Job> implements WireUser {
  readonly #wire: StreamWire;
  readonly #user: LoadConnectionUser<Job>;
  readonly #authority: string;
  readonly #head = new Head();
  readonly #chunked = new ChunkedReader();
  #job: Job | undefined;
  #queued: Buffer | undefined;
  #isHead = false;
  #deadlineAt = Number.POSITIVE_INFINITY;
  #isConnected = false;
  #isClosed = false;
  #partial: Buffer | undefined;
  #inBody = false;
  #left = 0;
  #status = 0;
  #proxyStatus: string | undefined;

  constructor(address: { readonly host: string; readonly port: number }, user: LoadConnectionUser<Job>) {
    this.#user = user;
    this.#authority = `${address.host}:${address.port}`;
    this.#wire = StreamWire.connected(address, this, Buffer.allocUnsafeSlow(readBytes));
  }

  send(job: Job, request: LoadRequest, deadlineAt: number): void {
    this.#job = job;
    this.#deadlineAt = deadlineAt;
    this.#isHead = request.method === 'HEAD';
    const bytes = requestBytes(request, this.#authority);
    if (this.#isConnected) this.#wire.write(bytes);
    else this.#queued = bytes;
  }

  /** Fails the request under way if its time is over. */
  expire(now: number): void {
    if (this.#job === undefined || now < this.#deadlineAt) return;
    this.#fail('timeout');
    this.close();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wire.destroy();
    this.#user.onClosed(this);
  }

  onConnected(): void {
    this.#isConnected = true;
    if (this.#queued !== undefined) this.#wire.write(this.#queued);
    this.#queued = undefined;
  }

  onBytes(bytes: Buffer, count: number): void {
    if (this.#job === undefined) this.close();
    else if (this.#inBody) this.#readBody(bytes, 0, count);
    else this.#readHead(bytes, count);
  }

  onWritable(): void {}

  onEnded(): void {
    if (this.#inBody && this.#head.body === BODY.untilClose) this.#finish(true);
    this.#lost();
  }

  onClosed(): void {
    this.#lost();
  }

  #readHead(bytes: Buffer, count: number): void {
    const source = this.#partial === undefined ? bytes.subarray(0, count) : Buffer.concat([this.#partial, bytes.subarray(0, count)]);
    const head = this.#head;
    head.begin(0);
    for (;;) {
      const result = scanAnswer(source, source.length, head, this.#isHead);
      if (result === SCAN.incomplete) {
        this.#partial = Buffer.from(source.subarray(head.start));
        return;
      }
      if (result === SCAN.bad) {
        this.#fail('broken');
        this.close();
        return;
      }
      if (head.status >= 200) break;
      head.begin(head.end);
    }
    this.#partial = undefined;
    this.#status = head.status;
    this.#proxyStatus = head.status >= 500 ? /^proxy-status: (.*)$/im.exec(source.toString('latin1', head.start, head.end))?.[1] : undefined;
    this.#left = head.length;
    this.#inBody = true;
    if (head.body === BODY.chunked) this.#chunked.begin();
    if (head.body === BODY.none) this.#finish(head.closes);
    else this.#readBody(source, head.end, source.length);
  }

  #readBody(bytes: Buffer, from: number, end: number): void {
    if (this.#head.body === BODY.length) {
      this.#left -= end - from;
      if (this.#left <= 0) this.#finish(this.#head.closes || this.#left < 0);
    } else if (this.#head.body === BODY.chunked) {
      let at = from;
      while (at >= 0 && at < end && !this.#chunked.done) at = this.#chunked.read(bytes, at, end);
      if (at < 0) {
        this.#fail('broken');
        this.close();
      } else if (this.#chunked.done) this.#finish(this.#head.closes);
    }
  }

  #finish(closes: boolean): void {
    const job = this.#job;
    this.#job = undefined;
    this.#inBody = false;
    if (closes) this.close();
    if (job !== undefined) this.#user.onAnswer(job, this.#status, this.#proxyStatus);
    if (!this.#isClosed) this.#user.onFree(this);
  }

  #fail(reason: string): void {
    const job = this.#job;
    this.#job = undefined;
    if (job !== undefined) this.#user.onFailure(job, reason);
  }

  #lost(): void {
    this.#fail(this.#isConnected ? 'closed' : 'refused');
    this.close();
  }
}

function requestBytes(request: LoadRequest, authority: string): Buffer {
  const { method, path, headers = {}, body, host = authority } = request;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const payload = body === undefined ? undefined : typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const length = payload === undefined ? '' : `Content-Length: ${payload.length}\r\n`;
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines.join('')}${length}\r\n`, 'latin1');
  return payload === undefined ? head : Buffer.concat([head, payload]);
}
