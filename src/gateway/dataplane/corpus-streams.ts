/** All that one client sends on a connection, what it is answered, and what may reach the backend of it. */
export interface StreamCase {
  readonly name: string;
  /** Class of attack or feature. */
  readonly group: string;
  readonly bytes: string;
  /** Statuses in order. */
  readonly statuses: readonly number[];
  /** Request lines that reach the backend, in order, without the version. */
  readonly forwarded: readonly string[];
  /** `closed`: the gateway ends the connection; `kept`: another request may follow. */
  readonly connection: 'closed' | 'kept';
  /** Must stand nowhere in what the backend gets. */
  readonly absent?: RegExp;
}

const hidden = 'GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n';
const chunks = '3\r\nabc\r\n0\r\n\r\n';
const head = (method: string, lines: string, target = '/p') => `${method} ${target} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`;
const post = (lines: string, body = '') => head('POST', lines) + body;

type Cases = readonly (readonly [name: string, bytes: string, expected?: Partial<Pick<StreamCase, 'statuses' | 'forwarded' | 'connection' | 'absent'>>])[];

/** Refused at the first request: nothing of it goes on. */
function refused(group: string, cases: Cases): readonly StreamCase[] {
  return cases.map(([name, bytes, expected]) => ({ name, group, bytes, statuses: [400], forwarded: [], connection: 'closed', ...expected }));
}

/** One request that is passed on as `POST /p` unless told otherwise. */
function passed(group: string, cases: Cases): readonly StreamCase[] {
  return cases.map(([name, bytes, expected]) => ({ name, group, bytes, statuses: [200], forwarded: ['POST /p'], connection: 'kept', ...expected }));
}

const twoPosts = { statuses: [200, 200], forwarded: ['POST /p', 'GET /hidden'] };
const get = { forwarded: ['GET /p'] };

/** Streams from the RFCs and from the classes of attacks that reached other servers, each with a request behind it that must not be found by mistake. */
export const STREAMS: readonly StreamCase[] = [
  ...refused('length beside coding', [
    ['length first, a request hidden in the body', post(`Content-Length: ${hidden.length + 5}\r\nTransfer-Encoding: chunked\r\n`, `0\r\n\r\n${hidden}`)],
    ['coding first, a request hidden behind the chunks', post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `${chunks}${hidden}`)],
    ['GET with both', head('GET', 'Transfer-Encoding: chunked\r\nContent-Length: 0\r\n') + chunks + hidden],
    ['HTTP/1.0 with both', `POST /p HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}${hidden}`],
    ['length, coding and Upgrade', post('Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n', chunks)],
  ]),
  ...refused('obscured coding', [
    ['chunked, then identity on a line of its own', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', chunks + hidden)],
    ['identity, then chunked', post('Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n', chunks + hidden), { statuses: [501] }],
    ['chunked with a parameter', post('Transfer-Encoding: chunked;q=1\r\n', chunks + hidden)],
    ['chunked with a comma behind it', post('Transfer-Encoding: chunked,\r\n', chunks + hidden)],
    ['form feed before chunked', post('Content-Length: 5\r\nTransfer-Encoding: \x0cchunked\r\n', `0\r\n\r\n${hidden}`)],
    ['NUL within chunked', post('Transfer-Encoding: chun\0ked\r\n', chunks + hidden)],
    ['byte above ASCII behind chunked', post('Transfer-Encoding: chunked\xa0\r\n', chunks + hidden)],
    ['space before the colon', post('Content-Length: 5\r\nTransfer-Encoding : chunked\r\n', `0\r\n\r\n${hidden}`)],
    ['tab before the colon', post('Content-Length: 5\r\nTransfer-Encoding\t: chunked\r\n', `0\r\n\r\n${hidden}`)],
    ['NUL before the colon', post('Content-Length: 5\r\nTransfer-Encoding\0: chunked\r\n', `0\r\n\r\n${hidden}`)],
    ['folded onto the next line', post('Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n', `0\r\n\r\n${hidden}`)],
    ['behind a bare LF', post('Content-Length: 5\r\nX: y\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${hidden}`)],
    ['behind a bare CR', post('Content-Length: 5\r\nX: y\rTransfer-Encoding: chunked\r\n', `0\r\n\r\n${hidden}`)],
    ['behind a space at the head of the line', post('Content-Length: 5\r\n Transfer-Encoding: chunked\r\n', `0\r\n\r\n${hidden}`)],
    ['as the field of an empty name', post('Content-Length: 5\r\n: Transfer-Encoding: chunked\r\n', `0\r\n\r\n${hidden}`)],
  ]),
  ...passed('obscured coding', [
    ['tab before chunked', post('Transfer-Encoding:\tchunked\r\n', chunks)],
    ['tab behind chunked', post('Transfer-Encoding: chunked\t\r\n', chunks)],
    ['underscore in its name', post('Transfer_Encoding: chunked\r\nContent-Length: 3\r\n', 'abc'), { absent: /transfer_encoding/i }],
    ['TE in place of Transfer-Encoding', post('TE: chunked\r\nContent-Length: 3\r\n', 'abc'), { absent: /\nte:/i }],
    ['Content-Encoding in its place', post('Content-Encoding: chunked\r\nContent-Length: 3\r\n', 'abc')],
    ['chunked DELETE', head('DELETE', 'Transfer-Encoding: chunked\r\n') + chunks, { forwarded: ['DELETE /p'] }],
  ]),
  ...refused('length', [
    ['empty, a request behind it', post('Content-Length:\r\n', hidden)],
    ['a blank within', post('Content-Length: 3 3\r\n', 'abc')],
    ['vertical tab behind it', post('Content-Length: 3\x0b\r\n', 'abc')],
    ['full-width digit', post('Content-Length: \xef\xbc\x93\r\n', 'abc')],
    ['exponent', post('Content-Length: 1e1\r\n', '0123456789')],
    ['comma before it', post('Content-Length: ,3\r\n', 'abc')],
    ['comma behind it', post('Content-Length: 3,\r\n', 'abc')],
    ['list of different ones', post(`Content-Length: 0, ${hidden.length}\r\n`, hidden)],
    ['more than 2^64', post('Content-Length: 18446744073709551619\r\n', 'abc')],
    ['more than 2^32', post('Content-Length: 4294967299\r\n', 'abc'), { statuses: [413] }],
    ['zeros without end', post(`Content-Length: ${'0'.repeat(40)}3\r\n`, 'abc')],
    ['another in a case of its own', post(`Content-Length: 0\r\ncONTENT-lENGTH: ${hidden.length}\r\n`, hidden)],
    ['another behind a name of 300 bytes', post(`Content-Length: 3\r\nX${'x'.repeat(300)}: y\r\nContent-Length: 0\r\n`, 'abc')],
  ]),
  ...passed('length', [
    ['zeros before it', post('Content-Length: 0000003\r\n', 'abc'), { absent: /0000003/ }],
    ['spaces around it', post('Content-Length:  \t3 \t\r\n', 'abc')],
    ['underscore in its name', post(`Content_Length: ${hidden.length}\r\n`, hidden), { ...twoPosts, absent: /content_length/i }],
    ['a name that begins like it', post(`Content-Length0${'a'.repeat(260)}:\r\nContent-Lengthx: ${hidden.length}\r\n`, hidden), twoPosts],
    ['GET with a body', `${head('GET', `Content-Length: ${hidden.length}\r\n`)}${hidden}`, get],
  ]),
  ...refused('lines and blanks', [
    ['CR before the end that is no LF, a request behind it', `GET /p HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n${hidden}`],
    ['LF LF as the end', `GET /p HTTP/1.1\r\nHost: a\n\n${hidden}`],
    ['CR CR LF as the end', `GET /p HTTP/1.1\r\nHost: a\r\n\r\r\n${hidden}`],
    ['tab before the first field', `GET /p HTTP/1.1\r\n\tHost: a\r\n\r\n${hidden}`],
    ['Host folded', `GET /p HTTP/1.1\r\nHost:\r\n a\r\n\r\n${hidden}`],
    ['NUL behind a name', head('GET', 'X\0: y\r\n')],
    ['only a colon', head('GET', ':\r\nContent-Length: 3\r\n')],
    ['a request as a value after LF', head('GET', 'X: y\n\nGET /hidden HTTP/1.1\r\nHost: a\r\n')],
    ['second request refused', `${head('GET', '')}GET /hidden HTTP/1.1\r\n\r\n`, { statuses: [200, 400], ...get }],
  ]),
  ...passed('lines and blanks', [
    ['no blank after a colon', head('GET', 'X:y\r\n'), get],
    ['names that objects have', head('GET', '__proto__: x\r\nconstructor: y\r\ntoString: z\r\n'), get],
    [
      'three requests at once',
      `${head('GET', '')}${head('HEAD', '')}${hidden}`,
      { statuses: [200, 200, 200], forwarded: ['GET /p', 'HEAD /p', 'GET /hidden'] },
    ],
  ]),
  ...refused('target', [
    ['blank and NUL in the path', `GET /a \0.php HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`],
    ['fragment behind the authority', head('GET', '', 'http://a#@b/')],
    ['authority with a user behind a backslash', head('GET', '', 'http://a\\@b/')],
    ['no authority', head('GET', '', 'http:///x')],
    ['authority with two ports', head('GET', '', 'http://a:80:80/')],
    ['authority of another host, case aside', head('GET', '', 'HTTP://B/x')],
    ['only a query', head('GET', '', '?x')],
    ['request in the target after a tab', `GET /p\tHTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`],
    ['CONNECT with a path', `CONNECT /p HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`, { statuses: [501] }],
    ['CONNECT with a URL', `CONNECT http://a/p HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`, { statuses: [501] }],
    ['host with a control character', `GET /p HTTP/1.1\r\nHost: a\x01\r\n\r\n${hidden}`],
    ['host with a user', `GET /p HTTP/1.1\r\nHost: b@a\r\n\r\n${hidden}`],
    ['a second host as a fold of the first', `GET /p HTTP/1.1\r\nHost: a\r\n Host: b\r\n\r\n${hidden}`],
  ]),
  ...passed('target', [
    ['encoded fragment', head('GET', '', '/a%23b'), { forwarded: ['GET /a%23b'] }],
    ['two slashes', head('GET', '', '//b/c'), { forwarded: ['GET //b/c'] }],
    ['absolute form in capitals', head('GET', '', 'HTTP://A/x'), { forwarded: ['GET /x'] }],
    ['absolute form with a query only', head('GET', '', 'http://a?x'), { forwarded: ['GET /?x'] }],
  ]),
  ...passed('hop-by-hop and trust', [
    ['address claimed', head('GET', 'X-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n'), { ...get, absent: /6\.6\.6\.6/ }],
    ['address claimed with underscores', head('GET', 'X_Forwarded_For: 6.6.6.6\r\nX-Forwarded_Proto: 6.6.6.6\r\n'), { ...get, absent: /6\.6\.6\.6/ }],
    ['field nominated by Connection', head('GET', 'Connection: X-Hop, keep-alive\r\nx-hop: 6\r\n'), { ...get, absent: /x-hop|connection/i }],
    ['proxy fields', head('GET', 'Proxy-Connection: close\r\nProxy-Authorization: x\r\nKeep-Alive: 1\r\n'), { ...get, absent: /proxy-|keep-alive/i }],
  ]),
  ...refused('hop-by-hop and trust', [
    ['Connection nominates Transfer-Encoding', post('Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n', chunks + hidden)],
    ['Connection nominates Authorization', head('GET', 'Authorization: x\r\nConnection: authorization\r\n')],
  ]),
  ...refused('Upgrade', [
    ['WebSocket with chunks', head('GET', 'Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n') + chunks + hidden],
    [
      'WebSocket in HTTP/1.0',
      `GET /p HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    ],
    ['HTTP/2 preface behind a request', `${head('GET', '')}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`, { statuses: [200, 505], ...get }],
  ]),
  ...passed('Upgrade', [
    [
      'h2c with a request behind it',
      `${head('GET', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n')}${hidden}`,
      {
        statuses: [200, 200],
        forwarded: ['GET /p', 'GET /hidden'],
        absent: /h2c|http2|upgrade/i,
      },
    ],
    ['h2c with a length', post('Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n', 'abc'), { absent: /h2c|upgrade/i }],
    ['WebSocket or h2c', head('GET', 'Connection: Upgrade\r\nUpgrade: websocket, h2c\r\nSec-WebSocket-Version: 13\r\n'), { ...get, absent: /h2c|upgrade/i }],
    [
      'WebSocket that is not granted',
      `${head('GET', 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\n')}${hidden}`,
      {
        statuses: [200, 200],
        forwarded: ['GET /p', 'GET /hidden'],
      },
    ],
  ]),
  ...passed('Expect', [
    ['100-continue, and the body at once', post('Expect: 100-continue\r\nContent-Length: 3\r\n', `abc${hidden}`), twoPosts],
    ['100-continue without a body', head('GET', 'Expect: 100-continue\r\n'), get],
    ['words before 100-continue', post('Expect: y 100-continue\r\nContent-Length: 3\r\n', `abc${hidden}`), { ...twoPosts, absent: /expect/i }],
    ['something unknown', post('Expect: wonders\r\nContent-Length: 3\r\n', 'abc'), { absent: /expect/i }],
  ]),
  ...refused('chunks', [
    ['extension with LF', post('Transfer-Encoding: chunked\r\n', `3;a\nabc\r\n0\r\n\r\n${hidden}`)],
    ['size of 17 digits', post('Transfer-Encoding: chunked\r\n', `10000000000000003\r\nabc\r\n0\r\n\r\n${hidden}`)],
    ['data behind its size', post('Transfer-Encoding: chunked\r\n', `3\r\nabcX\r\n0\r\n\r\n${hidden}`)],
    ['LF as the end', post('Transfer-Encoding: chunked\r\n', `3\r\nabc\r\n0\n\n${hidden}`)],
  ]),
  ...passed('chunks', [
    [
      'trailers that would frame',
      post('Transfer-Encoding: chunked\r\n', `3\r\nabc\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\n\r\n${hidden}`),
      {
        ...twoPosts,
        absent: /content-length: 9|coding: x/i,
      },
    ],
    ['extension', post('Transfer-Encoding: chunked\r\n', `3;secret=1\r\nabc\r\n0;secret\r\n\r\n${hidden}`), { ...twoPosts, absent: /secret/ }],
  ]),
];
