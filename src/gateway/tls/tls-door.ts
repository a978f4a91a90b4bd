import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { after } from '../dataplane/clock.ts';
import { LIMITS } from '../dataplane/limits.ts';
import type { Origin } from '../dataplane/origin.ts';
import { Acceptor } from './acceptor.ts';
import { type Choice, Choices } from './choices.ts';
import { type ClientHello, readClientHello } from './client-hello.ts';
import { clientOf } from './client-identity.ts';
import { HostCheck } from './host-check.ts';
import { type TicketKeys, type TicketSecrets, ticketKeysOf } from './ticket-keys.ts';
import type { TlsSettings } from './tls-settings.ts';
import { reasonOf, type TlsState } from './tls-state.ts';

const ALERT = { decodeError: 50, internalError: 80, unrecognizedName: 112 } as const;
const HTTP_LIKE = /^[A-Z]{3,10} /;
const USE_HTTPS = '400 Bad Request: use https:// here\n';
const SPEAKS_TLS = `HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: ${USE_HTTPS.length}\r\nConnection: close\r\n\r\n${USE_HTTPS}`;

interface Generation {
  readonly keys: TicketKeys;
  acceptor: Acceptor | undefined;
}

/** The TLS step of one listener: reads what a client asks for, then lets the acceptor made for that do the handshake. */
export class TlsDoor {
  readonly #state: TlsState;
  readonly #settings: TlsSettings;
  readonly #choices: Choices;
  /** By the key of a choice, newest first. */
  readonly #generations = new Map<string, readonly Generation[]>();
  #secrets: TicketSecrets = [];

  constructor(state: TlsState, settings: TlsSettings) {
    this.#state = state;
    this.#settings = settings;
    this.#choices = new Choices(settings);
  }

  /** Takes a paused socket; calls back when it is secure, else ends it: in time, and whatever the client does. */
  secure(raw: Socket, origin: Origin, opened: (socket: TLSSocket, origin: Origin) => void): void {
    // Wall-clock over the whole handshake: drip-feeding does not extend it.
    let isLate = false;
    const deadline = after(LIMITS.handshakeTimeoutMs, () => {
      isLate = true;
      this.#state.countError('timeout');
      raw.destroy();
    });
    raw.once('close', () => deadline[Symbol.dispose]());
    const failed = (error: NodeJS.ErrnoException) => {
      if (!isLate) this.#state.countError(reasonOf(error));
    };
    this.#readHello(raw, (hello) => {
      const challenge = this.#state.challenges.acceptorFor(hello);
      if (challenge !== undefined) {
        challenge.accept(raw, { secured: (socket) => this.#endShown(socket, raw), failed });
        return;
      }
      const choice = this.#choices.find(hello.serverName);
      if (choice === undefined) {
        this.#state.countError('unknown-name');
        refuse(raw, ALERT.unrecognizedName);
        return;
      }
      this.#acceptorFor(choice, hello, raw)?.accept(raw, {
        secured: (socket) => {
          deadline[Symbol.dispose]();
          this.#state.handshakes[socket.isSessionReused() ? 'resumed' : 'full']++;
          opened(socket, {
            ...origin,
            scheme: 'https',
            tls: { version: socket.getProtocol() ?? '', choice, hosts: new HostCheck(choice, this.#choices), client: clientOf(socket) },
          });
        },
        failed,
      });
    });
  }

  /** Nothing is said over a connection that only shows a certificate (RFC 8737, 3). */
  #endShown(socket: TLSSocket, raw: Socket): void {
    this.#state.handshakes.full++;
    socket.on('error', () => raw.destroy());
    socket.end(() => raw.destroy());
  }

  #readHello(raw: Socket, then: (hello: ClientHello) => void): void {
    let bytes: Buffer = Buffer.alloc(0);
    let needed = 1;
    const finish = () => {
      raw.off('readable', take);
      raw.off('end', stop);
    };
    const stop = () => {
      // Balancers look whether somebody is there by opening a connection and closing it.
      if (bytes.length > 0) this.#state.countError('reset');
      raw.destroy();
    };
    const take = () => {
      for (let part: Buffer | null = raw.read(); part !== null; part = raw.read()) bytes = bytes.length === 0 ? part : Buffer.concat([bytes, part]);
      if (bytes.length < needed) return;
      const hello = readClientHello(bytes);
      if (typeof hello === 'number' && hello <= LIMITS.helloBytes) {
        needed = hello;
        return;
      }
      finish();
      if (typeof hello === 'object') {
        raw.unshift(bytes);
        then(hello);
      } else this.#refuseHello(raw, bytes);
    };
    raw.on('readable', take);
    raw.on('end', stop);
  }

  #refuseHello(raw: Socket, bytes: Buffer): void {
    const isHttp = HTTP_LIKE.test(bytes.toString('latin1', 0, 12));
    this.#state.countError(bytes[0] === 22 ? 'bad-hello' : 'not-tls');
    if (isHttp) endWith(raw, Buffer.from(SPEAKS_TLS, 'latin1'));
    else refuse(raw, ALERT.decodeError);
  }

  /** That of the ticket the client would resume, if its key is still known; else the newest. */
  #acceptorFor(choice: Choice, hello: ClientHello, raw: Socket): Acceptor | undefined {
    const generations = this.#generationsOf(choice);
    const generation = generations.find(({ keys }) => hello.ticketKeys.includes(keys.name)) ?? (generations[0] as Generation);
    try {
      generation.acceptor ??= new Acceptor(choice, this.#settings, generation.keys);
    } catch {
      // The parent checks certificates before it sends them, so this one has just become unusable.
      this.#state.countError('bad-certificate');
      refuse(raw, ALERT.internalError);
    }
    return generation.acceptor;
  }

  #generationsOf(choice: Choice): readonly Generation[] {
    const { ticketSecrets } = this.#state;
    if (this.#secrets !== ticketSecrets) {
      this.#secrets = ticketSecrets;
      this.#generations.clear();
    }
    const known = this.#generations.get(choice.key);
    if (known !== undefined) return known;
    const generations = ticketSecrets.map((secret) => ({ keys: ticketKeysOf(secret, choice.key), acceptor: undefined }));
    this.#generations.set(choice.key, generations);
    return generations;
  }
}

/** A fatal alert before any key is agreed on (RFC 8446, 6). */
function refuse(raw: Socket, alert: number): void {
  endWith(raw, Buffer.from([21, 3, 3, 0, 2, 2, alert]));
}

function endWith(raw: Socket, bytes: Buffer): void {
  raw.end(bytes, () => raw.destroy());
}
