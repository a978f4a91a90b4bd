import { closeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import type * as Koffi from 'koffi';
import type { Address } from '../world.ts';

/** Numbers of Linux (include/linux/socket.h, include/uapi/linux/tcp.h; described in socket(2), socket(7), tcp(7), connect(2)). */
const FAMILY = { none: 0, 4: 2, 6: 10 } as const;
/** SOCK_STREAM, SOCK_NONBLOCK and SOCK_CLOEXEC. */
const kind = 0x80801;
const OPTION = { socket: 1, linger: 13, tcp: 6, quickAck: 12 } as const;
const off = Buffer.alloc(4);
/** On, and 0 s: a close is a reset. */
const noLinger = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
/** Of `sockaddr_in` and `sockaddr_in6`: where the address lies in how many bytes. The port is at the same place in both. */
const PLACE = { port: 2, 4: { address: 4, bytes: 16 }, 6: { address: 8, bytes: 28 } } as const;
/** To connect to it is to be connected to nobody. */
const nobody = Buffer.alloc(PLACE[4].bytes, FAMILY.none);

const UNDER_WAY: ReadonlySet<number> = new Set([-constants.errno.EINPROGRESS, -constants.errno.EALREADY, -constants.errno.EINTR]);
/** What is under way is looked at soon, as most servers are near, and then at longer intervals. */
const LOOK = { firstMs: 1, longestMs: 32 } as const;

type Version = 4 | 6;

/** What the system says in the end: 0, or the negative number of an error. */
export type ConnectResult = (result: number) => void;

interface Pending {
  readonly file: number;
  readonly place: Buffer;
  readonly told: ConnectResult;
}

/**
 * Connects halfway (Linux): a listening server's kernel answers, and then hears that it was for nothing, before there is a connection. The program accepts nothing and ends nothing,
 * one that is stopped is not left with a queue of dead connections, and a check costs half. HAProxy checks so (`tcp-smart-connect`).
 *
 * What completes a connection, the last of three segments, is held back (TCP_QUICKACK 0), and a reset goes in its place: when the file is closed (SO_LINGER 0), or connected to nobody.
 * H1: in one turn of the event loop a file is used again if its answer came at once, thus from this machine: elsewhere the reset may be lost, and then the same port has to be another
 * connection's. Kept for longer it would hold a port that nobody sees.
 */
export class HalfConnects {
  readonly #calls: Calls;
  readonly #spares = new Map<Version, number>();
  #closesSpares = false;
  readonly #pending = new Set<Pending>();
  #timer: NodeJS.Timeout | undefined;
  #lookMs: number = LOOK.firstMs;

  /** Throws where the library that makes such calls has no build for this machine. */
  constructor() {
    this.#calls = callsOfLinux();
  }

  /** Begins one to an address that `isIP` takes, of this version and without a zone. `told` is called at once, and then there is nothing to dispose of, or later. */
  begin({ host, port }: Address, version: Version, told: ConnectResult): Disposable | undefined {
    const file = this.#take(version);
    const place = this.#calls.placeOf(host, port, version);
    let result = file < 0 ? file : this.#calls.connect(file, place);
    // On this machine the answer is there by the second time.
    if (UNDER_WAY.has(result)) result = this.#calls.connect(file, place);
    if (UNDER_WAY.has(result)) return this.#await({ file, place, told });
    if (file >= 0) this.#keep(file, version);
    told(result);
    return undefined;
  }

  #take(version: Version): number {
    const spare = this.#spares.get(version);
    this.#spares.delete(version);
    const file = spare ?? this.#calls.open(version);
    if (file >= 0) this.#calls.holdBack(file);
    return file;
  }

  /** H1. */
  #keep(file: number, version: Version): void {
    if (this.#calls.connect(file, nobody) !== 0 || this.#spares.has(version)) {
      closeSync(file);
      return;
    }
    this.#spares.set(version, file);
    if (this.#closesSpares) return;
    this.#closesSpares = true;
    setImmediate(() => {
      this.#closesSpares = false;
      for (const spare of this.#spares.values()) closeSync(spare);
      this.#spares.clear();
    });
  }

  #await(pending: Pending): Disposable {
    this.#pending.add(pending);
    this.#lookAfter(LOOK.firstMs);
    return { [Symbol.dispose]: () => this.#close(pending) };
  }

  #close(pending: Pending): void {
    if (this.#pending.delete(pending)) closeSync(pending.file);
  }

  #lookAfter(delayMs: number): void {
    if (this.#timer !== undefined && this.#lookMs <= delayMs) return;
    clearTimeout(this.#timer);
    this.#lookMs = delayMs;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      for (const pending of [...this.#pending]) this.#look(pending);
      if (this.#pending.size > 0) this.#lookAfter(Math.min(2 * delayMs, LOOK.longestMs));
    }, delayMs);
  }

  #look(pending: Pending): void {
    // Another's answer may have led to its end.
    if (!this.#pending.has(pending)) return;
    const result = this.#calls.connect(pending.file, pending.place);
    if (UNDER_WAY.has(result)) return;
    this.#close(pending);
    pending.told(result);
  }
}

/** Those that give a number give the negative one of the error if they fail. */
interface Calls {
  /** A file. */
  open(version: Version): number;
  /** Of the connection that is made next. */
  holdBack(file: number): void;
  /** 0 once somebody would accept; to be called again for as long as that is under way. */
  connect(file: number, place: Buffer): number;
  /** An address as the kernel reads it. */
  placeOf(host: string, port: number, version: Version): Buffer;
}

function callsOfLinux(): Calls {
  if (process.platform !== 'linux') throw new Error('only Linux connects halfway');
  const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
  const c = koffi.load(null);
  const socket = c.func('socket', 'int', ['int', 'int', 'int']);
  const setOption = c.func('setsockopt', 'int', ['int', 'int', 'int', 'void *', 'unsigned int']);
  const connect = c.func('connect', 'int', ['int', 'void *', 'unsigned int']);
  const parse = c.func('inet_pton', 'int', ['int', 'str', 'void *']);
  const checked = (result: number) => (result < 0 ? -koffi.errno() : result);
  return {
    open: (version) => {
      const file = checked(socket(FAMILY[version], kind, 0));
      if (file >= 0) setOption(file, OPTION.socket, OPTION.linger, noLinger, noLinger.length);
      return file;
    },
    // Where it fails the connection is made in full, which serves as well.
    holdBack: (file) => void setOption(file, OPTION.tcp, OPTION.quickAck, off, off.length),
    connect: (file, place) => checked(connect(file, place, place.length)),
    placeOf: (host, port, version) => {
      const { address, bytes } = PLACE[version];
      const place = Buffer.alloc(bytes);
      place.writeUInt16LE(FAMILY[version]);
      place.writeUInt16BE(port, PLACE.port);
      parse(FAMILY[version], host, place.subarray(address));
      return place;
    },
  };
}
