import type { ErrorBody } from '@haven/sdk';
import type { Address } from '#world/world';
import type { Principal } from './access.ts';
import { type ClusterKey, mintToken } from './tokens.ts';

/** What a test asks of the API, as an administrator unless told. */
export interface Asked {
  readonly method?: string;
  /** Bytes as they are, anything else as JSON. */
  readonly body?: unknown;
  readonly as?: Principal;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Asks the API in tests, and says briefly how it refuses. */
export class TestClient {
  readonly #key: ClusterKey;
  readonly base: string;

  constructor(address: Address, key: ClusterKey) {
    this.#key = key;
    this.base = `http://${address.host}:${address.port}`;
  }

  async ask<Value>(path: string, asked: Asked = {}): Promise<{ readonly status: number; readonly value: Value }> {
    const response = await this.fetch(path, asked);
    const text = await response.text();
    return { status: response.status, value: (text === '' ? undefined : JSON.parse(text)) as Value };
  }

  /** Status and code: `404 NOT_FOUND`. */
  async refusal(path: string, asked: Asked = {}): Promise<string> {
    const { status, value } = await this.ask<ErrorBody>(path, asked);
    return `${status} ${value.error.code}`;
  }

  /** The lines of a stream to its end, without heartbeats. */
  async lines<Line extends { readonly kind: string }>(path: string, asked: Asked = {}): Promise<Line[]> {
    const lines: Line[] = [];
    for await (const line of this.stream<Line>(path, asked)) lines.push(line);
    return lines;
  }

  /** The same, one by one as they come. */
  async *stream<Line extends { readonly kind: string }>(path: string, asked: Asked = {}): AsyncGenerator<Line, void, undefined> {
    let text = '';
    for await (const chunk of (await this.fetch(path, asked)).body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const lines = `${text}${chunk}`.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines.map((each) => JSON.parse(each) as Line)) if (line.kind !== 'heartbeat') yield line;
    }
  }

  async fetch(path: string, { method, body, as = { kind: 'admin' }, headers }: Asked = {}): Promise<Response> {
    const isBytes = body instanceof Uint8Array;
    return await fetch(`${this.base}${path}`, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: {
        authorization: `Bearer ${mintToken(this.#key, as)}`,
        ...(body === undefined || isBytes ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isBytes ? new Uint8Array(body) : JSON.stringify(body) }),
    });
  }
}
