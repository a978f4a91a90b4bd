const handshakeRecord = 22;
const clientHello = 1;
const recordHeaderBytes = 5;
const handshakeHeaderBytes = 4;
/** legacy_version and random. */
const fixedBytes = 34;
/** The longest TLSPlaintext.fragment (RFC 8446, 5.1). */
const mostFragmentBytes = 16_384;
const keyNameBytes = 16;
const hostNameType = 0;
const EXTENSION = { serverName: 0, protocols: 16, ticket: 35, preSharedKey: 41 } as const;
const NAME = /^[a-z0-9_](?:[a-z0-9_.-]{0,252})$/;

/** What of a client's first message decides who answers it (RFC 8446, 4.1.2; RFC 6066, 3; RFC 7301; RFC 5077). */
export interface ClientHello {
  /** In lower case; absent if none was sent or it is no host name. */
  readonly serverName: string | undefined;
  /** ALPN, in the client's order. */
  readonly protocols: readonly string[];
  /** In hex, the first 16 bytes of each ticket it would resume: the name of the key the ticket was made with. */
  readonly ticketKeys: readonly string[];
}

/** The hello at the start of `bytes`; a number: how many bytes are needed at least before it makes sense to ask again; `bad` if it is none. */
export function readClientHello(bytes: Buffer): ClientHello | number | 'bad' {
  const message = joinRecords(bytes);
  if (!Buffer.isBuffer(message)) return message;
  try {
    return readMessage(message);
  } catch (error) {
    if (error instanceof Cut) return 'bad';
    throw error;
  }
}

/** A hello may be spread over several records. */
function joinRecords(bytes: Buffer): Buffer | number | 'bad' {
  const fragments: Buffer[] = [];
  let joined = 0;
  let wanted = 0;
  for (let at = 0; wanted === 0 || joined < wanted; ) {
    if (at < bytes.length && bytes[at] !== handshakeRecord) return 'bad';
    const from = at + recordHeaderBytes;
    if (bytes.length < from) return from;
    const length = bytes.readUInt16BE(at + 3);
    if (bytes[at + 1] !== 3 || length === 0 || length > mostFragmentBytes) return 'bad';
    at = from + length;
    if (bytes.length < at) return at;
    fragments.push(bytes.subarray(from, at));
    joined += length;
    if (wanted > 0 || joined < handshakeHeaderBytes) continue;
    const head = Buffer.concat(fragments);
    if (head[0] !== clientHello) return 'bad';
    wanted = handshakeHeaderBytes + head.readUIntBE(1, 3);
  }
  return Buffer.concat(fragments).subarray(handshakeHeaderBytes, wanted);
}

function readMessage(message: Buffer): ClientHello {
  const reader = new Reader(message);
  reader.take(fixedBytes);
  reader.vector(1);
  reader.vector(2);
  reader.vector(1);
  const found: { serverName: string | undefined; protocols: readonly string[]; ticketKeys: string[] } = {
    serverName: undefined,
    protocols: [],
    ticketKeys: [],
  };
  // Before extensions there were none.
  const extensions = new Reader(reader.isEmpty ? Buffer.alloc(0) : reader.vector(2));
  while (!extensions.isEmpty) {
    const type = extensions.number(2);
    const body = extensions.vector(2);
    if (type === EXTENSION.serverName) found.serverName = serverNameIn(body);
    else if (type === EXTENSION.protocols) found.protocols = protocolsIn(body);
    else if (type === EXTENSION.ticket && body.length >= keyNameBytes) found.ticketKeys.push(keyNameOf(body));
    else if (type === EXTENSION.preSharedKey) found.ticketKeys.push(...identitiesIn(body));
  }
  return found;
}

function serverNameIn(body: Buffer): string | undefined {
  const names = new Reader(new Reader(body).vector(2));
  while (!names.isEmpty) {
    const type = names.number(1);
    const name = names.vector(2).toString('latin1').toLowerCase();
    if (type === hostNameType) return NAME.test(name) ? name : undefined;
  }
  return undefined;
}

function protocolsIn(body: Buffer): readonly string[] {
  const list = new Reader(new Reader(body).vector(2));
  const protocols: string[] = [];
  while (!list.isEmpty) protocols.push(list.vector(1).toString('latin1'));
  return protocols;
}

function identitiesIn(body: Buffer): readonly string[] {
  const list = new Reader(new Reader(body).vector(2));
  const names: string[] = [];
  while (!list.isEmpty) {
    const identity = list.vector(2);
    list.take(4);
    if (identity.length >= keyNameBytes) names.push(keyNameOf(identity));
  }
  return names;
}

function keyNameOf(ticket: Buffer): string {
  return ticket.toString('hex', 0, keyNameBytes);
}

/** A length says more than there is. */
class Cut extends Error {}

/** Reads TLS's presentation language (RFC 8446, 3). */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw new Cut();
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  number(size: 1 | 2): number {
    return this.take(size).readUIntBE(0, size);
  }

  /** A vector whose length takes `size` bytes. */
  vector(size: 1 | 2): Buffer {
    return this.take(this.number(size));
  }
}
