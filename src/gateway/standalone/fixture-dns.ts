import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** Records of type A by name; a name that is not there is unknown (NXDOMAIN), an empty list is a name without addresses. */
export type Zone = Map<string, { readonly addresses: readonly string[]; readonly ttlSeconds: number }>;

export interface DnsServer extends AsyncDisposable {
  /** For a resolver: `127.0.0.1:40001`. */
  readonly address: string;
  readonly zone: Zone;
  /** Names asked for, in order. */
  readonly asked: readonly string[];
  /** While true nothing is answered. */
  isSilent: boolean;
}

const headerBytes = 12;
const typeA = 1;
const nameError = 3;

/** A DNS server on loopback (RFC 1035, 4.1): one question, answers of type A. */
export async function startDns(zone: Zone): Promise<DnsServer> {
  const socket = createSocket('udp4');
  const asked: string[] = [];
  const server = {
    address: '',
    zone,
    asked,
    isSilent: false,
    [Symbol.asyncDispose]: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
  socket.on('message', (query, from) => {
    const { name, end } = questionOf(query);
    const type = query.readUInt16BE(end - 4);
    if (type === typeA) asked.push(name);
    if (!server.isSilent) socket.send(answerTo(query.subarray(0, end), type, zone.get(name)), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  server.address = `127.0.0.1:${socket.address().port}`;
  return server;
}

function questionOf(query: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = headerBytes;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 5 };
}

function answerTo(question: Buffer, type: number, known: ReturnType<Zone['get']>): Buffer {
  const addresses = type === typeA ? (known?.addresses ?? []) : [];
  const header = Buffer.alloc(headerBytes);
  question.copy(header, 0, 0, 2);
  // An answer, with recursion wanted and available.
  header.writeUInt16BE(0x8180 | (known === undefined ? nameError : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(addresses.length, 6);
  const records = addresses.map((address) => {
    const record = Buffer.alloc(16);
    // The name is that of the question.
    record.writeUInt16BE(0xc000 | headerBytes, 0);
    record.writeUInt16BE(typeA, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(known?.ttlSeconds ?? 0, 6);
    record.writeUInt16BE(4, 10);
    record.set(address.split('.').map(Number), 12);
    return record;
  });
  return Buffer.concat([header, question.subarray(headerBytes), ...records]);
}
