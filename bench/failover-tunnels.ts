import { connect, type Socket } from 'node:net';

/** What became of WebSockets that were open all the time. */
export interface TunnelFigures {
  readonly opened: number;
  /** Still echo what is sent. */
  readonly alive: number;
  /** Were told to go: a close frame came before the end. */
  readonly closed: number;
  /** Ended without a word. */
  readonly cut: number;
}

const closeFrame = 0x88;
const echoWithinMs = 500;
const request = (port: number) =>
  `GET /socket HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;

/** WebSockets through a proxy, whose backends send back each byte. */
export class Tunnels {
  readonly #tunnels: Tunnel[] = [];

  async open(port: number, count: number): Promise<void> {
    for (let i = 0; i < count; i++) this.#tunnels.push(await Tunnel.open(port));
  }

  async figures(): Promise<TunnelFigures> {
    await Promise.all(this.#tunnels.map((tunnel) => tunnel.ask()));
    const count = (state: Tunnel['state']) => this.#tunnels.filter((tunnel) => tunnel.state === state).length;
    return { opened: this.#tunnels.length, alive: count('alive'), closed: count('closed'), cut: count('cut') };
  }

  close(): void {
    for (const tunnel of this.#tunnels) tunnel.socket.destroy();
  }
}

class Tunnel {
  readonly socket: Socket;
  state: 'alive' | 'closed' | 'cut' = 'alive';
  #echoed: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (data) => {
      if (data[0] === closeFrame) this.state = 'closed';
      this.#echoed?.();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.state === 'alive') this.state = 'cut';
    });
  }

  static async open(port: number): Promise<Tunnel> {
    const socket = connect(port, '127.0.0.1');
    const opened = Promise.withResolvers<void>();
    socket.once('data', (data) => (data.toString('latin1').startsWith('HTTP/1.1 101') ? opened.resolve() : opened.reject(new Error('no tunnel'))));
    socket.once('error', opened.reject);
    socket.write(request(port));
    await opened.promise;
    return new Tunnel(socket);
  }

  /** A byte there and back; one that does not come back is as good as cut. */
  async ask(): Promise<void> {
    if (this.state !== 'alive') return;
    const echoed = Promise.withResolvers<void>();
    this.#echoed = echoed.resolve;
    const late = setTimeout(() => {
      this.state = 'cut';
      echoed.resolve();
    }, echoWithinMs);
    this.socket.write('x');
    await echoed.promise;
    clearTimeout(late);
  }
}
