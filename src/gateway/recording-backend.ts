import { createServer, type Socket } from 'node:net';

/** A backend that records what reaches it and answers each request, or with what it is told to. It reads leniently: what a sloppy server would take for a request. */
export class RecordingBackend implements Disposable {
  readonly requests: string[] = [];
  /** Bytes that were no whole request yet, of all connections. */
  get rest(): string {
    return [...this.#restBySocket.values()].join('');
  }

  connections = 0;
  get open(): number {
    return this.#restBySocket.size;
  }

  answer: ((socket: Socket) => void) | undefined;
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #restBySocket = new Map<Socket, string>();

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#restBySocket.keys()) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    this.connections++;
    this.#restBySocket.set(socket, '');
    socket.on('close', () => this.#restBySocket.delete(socket));
    socket.on('error', () => undefined);
    let bytes = '';
    socket.on('data', (data) => {
      bytes += data.toString('latin1');
      for (let taken = takeRequest(bytes); taken !== undefined; taken = takeRequest(bytes)) {
        bytes = bytes.slice(taken.length);
        this.requests.push(taken);
        const target = taken.split(' ')[1] ?? '';
        if (target.startsWith('/canary')) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`);
        else if (this.answer !== undefined) this.answer(socket);
        else if (taken.startsWith('HEAD ')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n');
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      }
      this.#restBySocket.set(socket, bytes);
    });
  }
}

/** The first whole request of the bytes. One that asks before it sends its body is whole at its head where that says more than the gateway has. */
function takeRequest(bytes: string): string | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = bytes.slice(0, end + 4);
  if (head.startsWith('POST /early')) return head;
  if (/\ntransfer-encoding:/i.test(head)) {
    const last = /(?:^|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(bytes.slice(end + 4));
    return last === null ? undefined : bytes.slice(0, end + 4 + last.index + last[0].length);
  }
  const length = Number(/\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  return bytes.length < end + 4 + length ? undefined : bytes.slice(0, end + 4 + length);
}
