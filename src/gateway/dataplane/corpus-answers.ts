/** What a backend sends for one request, and what its client gets. */
export interface AnswerCase {
  readonly name: string;
  /** Class of fault or feature. */
  readonly group: string;
  /** `POST` comes with only part of its body. */
  readonly method: 'GET' | 'HEAD' | 'POST' | 'WEBSOCKET';
  readonly bytes: string;
  /** The backend ends its connection behind them. */
  readonly ends: boolean;
  /** Final status; 0: the connection ends without an answer. */
  readonly status: number;
  /** Data of the answer as the client reads it; absent: one of the gateway's own. */
  readonly body?: string;
  /** `cut`: the client sees that the answer is not whole. */
  readonly connection: 'kept' | 'closed' | 'cut';
  /** Must stand nowhere in what the client gets. */
  readonly absent?: RegExp;
}

const answer = (lines: string, body = '', status = '200 OK') => `HTTP/1.1 ${status}\r\n${lines}\r\n${body}`;
const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison';

type Expected = Partial<Omit<AnswerCase, 'name' | 'group' | 'bytes'>>;
type Cases = readonly (readonly [name: string, bytes: string, expected?: Expected])[];

function good(group: string, cases: Cases): readonly AnswerCase[] {
  return cases.map(([name, bytes, expected]) => ({ name, group, bytes, method: 'GET', ends: false, status: 200, body: 'ok', connection: 'kept', ...expected }));
}

/** Refused before anything of it reached the client. */
function broken(group: string, cases: Cases): readonly AnswerCase[] {
  return cases.map(([name, bytes, expected]) => ({ name, group, bytes, method: 'GET', ends: false, status: 502, connection: 'kept', ...expected }));
}

const cut = { connection: 'cut' } as const;

export const ANSWER_STREAMS: readonly AnswerCase[] = [
  ...good('bytes behind the answer', [
    ['another answer', answer('Content-Length: 2\r\n', `ok${poison}`), { absent: /poison/ }],
    ['another answer behind chunks', answer('Transfer-Encoding: chunked\r\n', `2\r\nok\r\n0\r\n\r\n${poison}`), { absent: /poison/ }],
    ['another answer behind a 204', answer('', poison, '204 No Content'), { status: 204, body: '', absent: /poison/ }],
    ['another answer behind a 304', answer('Content-Length: 99\r\n', poison, '304 Not Modified'), { status: 304, body: '', absent: /poison/ }],
    ['a body of a HEAD', answer('Content-Length: 51\r\n', poison), { method: 'HEAD', body: '', absent: /poison/ }],
    ['chunks of a HEAD', answer('Transfer-Encoding: chunked\r\n', `6\r\npoison\r\n0\r\n\r\n`), { method: 'HEAD', body: '', absent: /poison/ }],
    ['an empty line', answer('Content-Length: 2\r\n', 'ok\r\n'), {}],
  ]),
  ...good('whole answers', [
    ['chunks with extensions and trailers', answer('Transfer-Encoding: chunked\r\n', '1;secret\r\no\r\n1\r\nk\r\n0\r\nX-Sum: 1\r\n\r\n'), { absent: /secret/ }],
    ['until the end', answer('', 'ok'), { ends: true }],
    ['until the end, HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nok', { ends: true }],
    ['length and the end', answer('Content-Length: 2\r\nConnection: close\r\n', 'ok'), { ends: true, absent: /connection: close/i }],
    ['103 before it', `${answer('Link: x\r\n', '', '103 Early Hints')}${answer('Content-Length: 2\r\n', 'ok')}`, {}],
    ['16 times 103 before it', `${answer('', '', '103 Early Hints').repeat(16)}${answer('Content-Length: 2\r\n', 'ok')}`, {}],
    [
      'hop-by-hop fields',
      answer('Connection: X-Hop\r\nX-Hop: 1\r\nProxy-Connection: x\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n', 'ok'),
      {
        absent: /hop|proxy-connection|keep-alive/i,
      },
    ],
    ['early answer to a POST', answer('Content-Length: 2\r\n', 'no', '413 Too Large'), { method: 'POST', status: 413, body: 'no', connection: 'closed' }],
    ['no WebSocket granted', answer('Content-Length: 2\r\n', 'ok'), { method: 'WEBSOCKET' }],
  ]),
  ...good('answers cut short', [
    ['length', answer('Content-Length: 5\r\n', 'ok'), { ends: true, ...cut }],
    ['chunk', answer('Transfer-Encoding: chunked\r\n', '5\r\nok'), { ends: true, ...cut }],
    ['no last chunk', answer('Transfer-Encoding: chunked\r\n', '2\r\nok\r\n'), { ends: true, ...cut }],
    ['no end of the trailers', answer('Transfer-Encoding: chunked\r\n', '2\r\nok\r\n0\r\nX: y\r\n'), { ends: true, ...cut }],
  ]),
  ...good('broken chunks', [
    ['size with a sign', answer('Transfer-Encoding: chunked\r\n', '2\r\nok\r\n+2\r\nno\r\n0\r\n\r\n'), cut],
    ['bare LF', answer('Transfer-Encoding: chunked\r\n', '2\r\nok\r\n2\nno\r\n0\r\n\r\n'), cut],
    ['size beyond every number', answer('Transfer-Encoding: chunked\r\n', `2\r\nok\r\n${'f'.repeat(17)}\r\nno`), cut],
    ['data behind its size', answer('Transfer-Encoding: chunked\r\n', '2\r\nokay\r\n0\r\n\r\n'), cut],
    ['at once', answer('Transfer-Encoding: chunked\r\n', 'nonsense\r\n'), { body: '', ...cut }],
  ]),
  ...broken('framing', [
    ['length and coding, poison in the body', answer('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${poison}`)],
    ['two codings', answer('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')],
    ['chunked, chunked', answer('Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n')],
    ['identity', answer('Transfer-Encoding: identity\r\n', 'ok')],
    ['vertical tab before chunked', answer('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n')],
    ['lengths in different case', answer('Content-Length: 2\r\ncontent-length: 8\r\n', 'ok')],
    ['length with a sign', answer('Content-Length: +2\r\n', 'ok')],
    ['negative length', answer('Content-Length: -2\r\n', 'ok')],
    ['empty length', answer('Content-Length: \r\n', 'ok')],
    ['length beyond every number', answer('Content-Length: 18446744073709551618\r\n', 'ok')],
    ['chunked 101', answer('Transfer-Encoding: chunked\r\n', '', '101 Switching Protocols')],
  ]),
  ...broken('lines', [
    ['empty line before it', `\r\n${answer('Content-Length: 2\r\n', 'ok')}`],
    ['blank before it', ` ${answer('Content-Length: 2\r\n', 'ok')}`],
    ['bare CR in a value', answer('Location: /\rSet-Cookie: a=b\r\nContent-Length: 2\r\n', 'ok')],
    ['bare LF in a value', answer('Location: /\nSet-Cookie: a=b\r\nContent-Length: 2\r\n', 'ok')],
    ['NUL in a value', answer('X: a\0b\r\nContent-Length: 2\r\n', 'ok')],
    ['field without a name', answer(': x\r\nContent-Length: 2\r\n', 'ok')],
    ['field without a colon', answer('X\r\nContent-Length: 2\r\n', 'ok')],
    ['LF LF as the end', 'HTTP/1.1 200 OK\r\nContent-Length: 2\n\nok'],
    ['head of 40 KiB', answer(`${`X: ${'y'.repeat(10_000)}\r\n`.repeat(4)}Content-Length: 2\r\n`, 'ok')],
    ['nothing at all', '', { ends: true }],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-Le', { ends: true }],
    ['HTTP/0.9', '<html>ok</html>', { ends: true }],
  ]),
  ...broken('switching', [
    ['101 without being asked', answer('Connection: Upgrade\r\nUpgrade: websocket\r\n', '', '101 Switching Protocols')],
    ['101 to another protocol', answer('Connection: Upgrade\r\nUpgrade: h2c\r\n', '', '101 Switching Protocols'), { method: 'WEBSOCKET' }],
    ['101 without Connection', answer('Upgrade: websocket\r\n', '', '101 Switching Protocols'), { method: 'WEBSOCKET' }],
    ['17 times 103', answer('', '', '103 Early Hints').repeat(17)],
  ]),
];
