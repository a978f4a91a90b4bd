import type { z } from 'zod';
import { PlatformError } from '#base/errors';
import { type Name, parseName } from '#base/name';
import type { StoreView } from '#model/store-view';
import type { Store } from '#store/store';
import type { World } from '#world/world';
import type { Principal } from './access.ts';
import type { Artifacts } from './artifacts.ts';
import type { ClusterKey } from './tokens.ts';

/** What endpoints work with. */
export interface ApiParts {
  readonly world: World;
  readonly store: Store;
  readonly view: StoreView;
  readonly key: ClusterKey;
  readonly artifacts: Artifacts;
  readonly version: string;
  readonly startedAt: number;
}

/** One request, checked against its endpoint. */
export interface ApiRequest<Body, Query> {
  readonly parameters: Parameters;
  readonly body: Body;
  readonly query: Query;
  readonly principal: Principal;
  /** The bytes, for an endpoint that takes them as they come. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Aborts when the client has gone or the server stops. */
  readonly signal: AbortSignal;
}

/** `lines` are sent as NDJSON, with a line `{"kind":"heartbeat"}` after every 5 s without another. */
export type Answer =
  | { readonly kind: 'json'; readonly value: unknown; readonly status?: number }
  | { readonly kind: 'lines'; readonly lines: AsyncIterable<unknown> }
  | { readonly kind: 'bytes'; readonly bytes: AsyncIterable<Uint8Array>; readonly sizeBytes: number }
  | { readonly kind: 'text'; readonly text: string; readonly type: string };

/** One row of the API: what it is called, who may, what it takes and does. */
export interface Endpoint {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** `/v1/apps/:app/deploy` */
  readonly path: string;
  readonly summary: string;
  readonly roles: readonly Principal['kind'][];
  readonly body?: z.ZodType;
  readonly query?: z.ZodType;
  /** The body is bytes, not JSON. */
  readonly takesBytes?: true;
  /** Name of the answer's type in the SDK. */
  readonly answers: string;
  readonly handle: (parts: ApiParts, request: ApiRequest<unknown, unknown>) => Promise<Answer>;
}

interface TypedEndpoint<Body, Query> extends Omit<Endpoint, 'body' | 'query' | 'handle' | 'roles'> {
  /** Administrators only, unless told. */
  readonly roles?: readonly Principal['kind'][];
  readonly body?: z.ZodType<Body>;
  readonly query?: z.ZodType<Query>;
  readonly handle: (parts: ApiParts, request: ApiRequest<Body, Query>) => Promise<Answer>;
}

/** A row of the API whose handler sees body and query with their types. */
export function endpoint<Body = undefined, Query = undefined>(definition: TypedEndpoint<Body, Query>): Endpoint {
  const { handle, roles = ['admin'], ...rest } = definition;
  // The server has parsed both with the schemas of this very row.
  return { ...rest, roles, handle: (parts, request) => handle(parts, request as ApiRequest<Body, Query>) };
}

/** A JSON answer. */
export function json(value: unknown, status = 200): Answer {
  return { kind: 'json', value, status };
}

/** The variable parts of a path, each read by its grammar. */
export class Parameters {
  readonly #texts: Readonly<Record<string, string>>;

  constructor(texts: Readonly<Record<string, string>>) {
    this.#texts = texts;
  }

  text(key: string): string {
    return this.#texts[key] ?? '';
  }

  /** INVALID if it is no name. */
  name(key: 'app' | 'service' | 'pool' | 'node'): Name {
    return parseName(this.text(key), key === 'app' ? 'an app' : `a ${key}`);
  }

  /** `shop.web.2-7`. INVALID if it is none. */
  instance(): string {
    const id = this.text('id');
    if (/^[a-z0-9-]{1,40}\.[a-z0-9-]{1,40}\.\d{1,5}-\d{1,10}$/.test(id)) return id;
    throw new PlatformError('INVALID', `Cannot use "${id.slice(0, 120)}" as an instance, because an instance is called like shop.web.2-7`, {
      next: 'haven ps',
    });
  }

  /** A whole number from 1. */
  number(key: string): number {
    const text = this.text(key);
    if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
    throw new PlatformError('INVALID', `Cannot use "${text.slice(0, 40)}" as ${key}, because it is not a whole number from 1`);
  }
}
