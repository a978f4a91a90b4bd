import { isName, nameBytes } from './byte-classes.ts';
import { clientIn, withHop } from './forwarded-chain.ts';
import type { Head } from './head.ts';
import type { Origin } from './origin.ts';
import { isHost } from './scan-fields.ts';

const CR = 13;
const COLON = 58;
const FORWARDED_FOR = nameBytes('x-forwarded-for');
const FORWARDED_PROTO = nameBytes('x-forwarded-proto');
const FORWARDED_HOST = nameBytes('x-forwarded-host');
const FORWARDED_PORT = nameBytes('x-forwarded-port');
const REQUEST_ID = nameBytes('x-request-id');
const longestHost = 255;
/** What a backend may write into a log without thinking. */
const requestIdForm = /^[A-Za-z0-9._:/+=@-]{1,128}$/;

/** Of one request: who sends it, and the fields that say so. */
export interface ClientFields {
  /** In canonical form. */
  readonly client: string;
  /** Ready to copy; ends in the middle of the X-Request-Id line. */
  readonly fields: Buffer;
  /** X-Forwarded-Host is among them. */
  readonly namesHost: boolean;
  /** The id with the end of the head, if the request has one already. */
  readonly requestId: Buffer | undefined;
}

/**
 * What we tell backends of the client of one connection. What the other side says of itself counts only if it is a proxy that is trusted: then its word on
 * each request is looked up, and passed on with one hop more.
 */
export class AboutClient {
  readonly #origin: Origin;
  readonly #version: string;
  readonly #own: ClientFields;

  /** `version` is that of HTTP in which its requests come. */
  constructor(origin: Origin, version: '1.1' | '2.0') {
    this.#origin = origin;
    this.#version = version;
    const { peer, scheme, port, tls } = origin;
    const certificate = tls?.client?.forwarded;
    this.#own = {
      client: peer,
      fields: fieldsOf({ client: peer, chain: peer, scheme, port: String(port), version, ...(certificate === undefined ? {} : { certificate }) }),
      namesHost: false,
      requestId: undefined,
    };
  }

  /** For the request whose head was scanned in `bytes`. */
  of(bytes: Buffer, head: Head): ClientFields {
    return this.#origin.trustedHops === 0 ? this.#own : this.#byProxy(bytes, head);
  }

  #byProxy(bytes: Buffer, head: Head): ClientFields {
    const { peer, scheme, port, trustedHops } = this.#origin;
    const chain = valuesOf(bytes, head, FORWARDED_FOR).join(', ');
    const client = clientIn(chain, trustedHops) ?? peer;
    const host = oneValue(bytes, head, FORWARDED_HOST, isHostName);
    const id = oneValue(bytes, head, REQUEST_ID, (text) => requestIdForm.test(text));
    return {
      client,
      fields: fieldsOf({
        client,
        chain: withHop(chain, peer),
        scheme: oneValue(bytes, head, FORWARDED_PROTO, (text) => text === 'http' || text === 'https') ?? scheme,
        version: this.#version,
        port: oneValue(bytes, head, FORWARDED_PORT, isPort) ?? String(port),
        ...(host === undefined ? {} : { host }),
      }),
      namesHost: host !== undefined,
      requestId: id === undefined ? undefined : Buffer.from(`${id}\r\n\r\n`, 'latin1'),
    };
  }
}

function fieldsOf(parts: {
  readonly client: string;
  readonly chain: string;
  readonly scheme: string;
  readonly port: string;
  readonly version: string;
  readonly host?: string;
  readonly certificate?: string;
}): Buffer {
  const { client, chain, scheme, port, version, host, certificate } = parts;
  const lines = [
    `X-Forwarded-For: ${chain}`,
    `X-Real-IP: ${client}`,
    `X-Forwarded-Proto: ${scheme}`,
    `X-Forwarded-Port: ${port}`,
    ...(host === undefined ? [] : [`X-Forwarded-Host: ${host}`]),
    ...(certificate === undefined ? [] : [`X-Forwarded-Client-Cert: ${certificate}`]),
    `Via: ${version} haven`,
    'X-Request-Id: ',
  ];
  return Buffer.from(lines.join('\r\n'), 'latin1');
}

/** The value of a field that is there once and of this form. */
function oneValue(bytes: Buffer, head: Head, name: Uint8Array, hasForm: (text: string) => boolean): string | undefined {
  const [value, ...more] = valuesOf(bytes, head, name);
  return value !== undefined && more.length === 0 && hasForm(value) ? value : undefined;
}

/** The values of all lines of this name (in lower case) that are not empty, in order. They were scanned, so no line end is among their bytes. */
function valuesOf(bytes: Buffer, head: Head, name: Uint8Array): readonly string[] {
  const values: string[] = [];
  for (let at = head.fieldsAt; at < head.end - 2; ) {
    let end = at;
    while (bytes[end] !== CR) end++;
    const colon = at + name.length;
    if (colon < end && bytes[colon] === COLON && isName(bytes, at, name)) {
      const value = bytes.toString('latin1', colon + 1, end).trim();
      if (value !== '') values.push(value);
    }
    at = end + 2;
  }
  return values;
}

function isHostName(text: string): boolean {
  const bytes = Buffer.from(text, 'latin1');
  return bytes.length <= longestHost && isHost(bytes, 0, bytes.length);
}

function isPort(text: string): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535;
}
