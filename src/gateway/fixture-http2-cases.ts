import { CODE, FLAG, FRAME, fieldsOf, frame, headers, literals, settings, uint32 } from './fixture-frames.ts';

/**
 * What a server does with frames that break a rule, by section of RFC 9113 or RFC 7541. `goaway` and `reset` name all codes that are right; a `reset` that `mayEnd`
 * may be told as an error of the connection (5.4.1). `lives`: the connection goes on and the next request on it is answered, as after each `reset` and `status`.
 */
export interface Http2Case {
  readonly name: string;
  /** Sent behind the preface and the client's settings. */
  readonly frames: readonly Buffer[];
  /** What the section asks for where `expect` is something else: the library's way, known and harmless. */
  readonly differs?: string;
  readonly expect:
    | { readonly goaway: readonly number[] }
    | { readonly reset: readonly number[]; readonly stream: number; readonly mayEnd?: true }
    | { readonly status: number; readonly stream: number }
    | { readonly lives: true };
}

const request = (stream: number, flags?: number) => headers(stream, fieldsOf(), flags);
const open = (stream: number) => headers(stream, fieldsOf({ ':method': 'POST' }), FLAG.endHeaders);
const block = literals(fieldsOf());
const zero8 = Buffer.alloc(8);
const goaway = (...codes: readonly number[]) => ({ goaway: codes });
/** An error of stream 1. */
const reset = (...codes: readonly number[]) => ({ reset: codes, stream: 1 });
const ok = { status: 200, stream: 1 } as const;
/** The same, or of the connection. */
const error = (...codes: readonly number[]) => ({ ...reset(...codes), mayEnd: true }) as const;
const lives = { lives: true } as const;
const malformed = reset(CODE.protocol);

const FRAMES: readonly Http2Case[] = [
  { name: '4.1 a type of frame that nobody knows', frames: [frame(0x16, 0xff, 0, zero8), frame(0x16, 0, 5, zero8)], expect: lives },
  { name: '4.1 flags that nobody knows', frames: [frame(FRAME.ping, 0xfe, 0, zero8)], expect: lives },
  { name: '4.1 the reserved bit of a stream', frames: [frame(FRAME.headers, 5, 0x80000001, block)], expect: ok },
  { name: '4.2 data longer than a frame may be', frames: [open(1), frame(FRAME.data, 0, 1, Buffer.alloc(16_385))], expect: goaway(CODE.frameSize) },
  { name: '4.2 a head longer than a frame may be', frames: [frame(FRAME.headers, 5, 1, Buffer.alloc(16_385))], expect: goaway(CODE.frameSize) },
  { name: '4.3 a head that HPACK cannot read', frames: [frame(FRAME.headers, 5, 1, [0x00, 0xff, 0xff, 0xff, 0xff, 0xff])], expect: goaway(CODE.compression) },
  {
    name: '4.3 a priority inside of a head',
    frames: [frame(FRAME.headers, 1, 1, block), frame(FRAME.priority, 0, 1, [0, 0, 0, 0, 1])],
    expect: goaway(CODE.protocol),
  },
  { name: '4.3 another head inside of a head', frames: [frame(FRAME.headers, 1, 1, block), request(3)], expect: goaway(CODE.protocol) },
  { name: '5.5 an unknown frame inside of a head', frames: [frame(FRAME.headers, 1, 1, block), frame(0x16, 0, 0, zero8)], expect: goaway(CODE.protocol) },
  { name: '6.1 data of stream 0', frames: [frame(FRAME.data, 1, 0, [1])], expect: goaway(CODE.protocol) },
  { name: '6.1 padding longer than its frame', frames: [open(1), frame(FRAME.data, FLAG.padded, 1, [9, 1, 2])], expect: goaway(CODE.protocol) },
  { name: '6.1 padding', frames: [open(1), frame(FRAME.data, FLAG.padded | 1, 1, [2, 65, 0, 0])], expect: ok },
  { name: '6.2 a head of stream 0', frames: [frame(FRAME.headers, 5, 0, block)], expect: goaway(CODE.protocol) },
  { name: '6.2 padding longer than its head', frames: [frame(FRAME.headers, 5 | FLAG.padded, 1, [200, ...block])], expect: goaway(CODE.protocol) },
  { name: '6.2 padding and a priority', frames: [frame(FRAME.headers, 5 | FLAG.padded | FLAG.priority, 1, [1, 0, 0, 0, 0, 9, ...block, 0])], expect: ok },
  {
    name: '6.3 a priority of stream 0',
    frames: [frame(FRAME.priority, 0, 0, [0, 0, 0, 0, 1])],
    expect: lives,
    differs: 'PROTOCOL_ERROR of the connection; priorities are ignored whatever they say',
  },
  { name: '6.3 a priority of a wrong length', frames: [open(1), frame(FRAME.priority, 0, 1, [0, 0, 0, 1])], expect: error(CODE.frameSize) },
  { name: '6.4 a reset of stream 0', frames: [frame(FRAME.reset, 0, 0, uint32(8))], expect: goaway(CODE.protocol) },
  { name: '6.4 a reset of a wrong length', frames: [open(1), frame(FRAME.reset, 0, 1, [0, 0, 8])], expect: goaway(CODE.frameSize) },
  { name: '6.5 an acknowledgement with settings in it', frames: [frame(FRAME.settings, FLAG.ack, 0, [0, 0, 0, 0, 0, 0])], expect: goaway(CODE.frameSize) },
  { name: '6.5 settings of a stream', frames: [frame(FRAME.settings, 0, 1, [])], expect: goaway(CODE.protocol) },
  { name: '6.5 settings of a wrong length', frames: [frame(FRAME.settings, 0, 0, [0, 3, 0])], expect: goaway(CODE.frameSize) },
  { name: '6.5.2 ENABLE_PUSH 2', frames: [settings([2, 2])], expect: goaway(CODE.protocol) },
  { name: '6.5.2 INITIAL_WINDOW_SIZE of 2^31', frames: [settings([4, 2 ** 31])], expect: goaway(CODE.flowControl) },
  { name: '6.5.2 MAX_FRAME_SIZE too small', frames: [settings([5, 16_383])], expect: goaway(CODE.protocol) },
  { name: '6.5.2 MAX_FRAME_SIZE too large', frames: [settings([5, 2 ** 24])], expect: goaway(CODE.protocol) },
  { name: '6.5.2 a setting that nobody knows', frames: [settings([0xff, 1])], expect: lives },
  { name: '6.6 a push by the client', frames: [open(1), frame(FRAME.push, 4, 1, [0, 0, 0, 2, ...block])], expect: goaway(CODE.protocol) },
  { name: '6.7 a ping of a stream', frames: [frame(FRAME.ping, 0, 1, zero8)], expect: goaway(CODE.protocol) },
  { name: '6.7 a ping of a wrong length', frames: [frame(FRAME.ping, 0, 0, [1, 2, 3, 4, 5, 6])], expect: goaway(CODE.frameSize) },
  {
    name: '6.7 an answer to no ping',
    frames: [frame(FRAME.ping, FLAG.ack, 0, zero8)],
    expect: goaway(CODE.none, CODE.internal),
    differs: 'nothing; the connection is ended',
  },
  { name: '6.8 GOAWAY of a stream', frames: [frame(FRAME.goaway, 0, 1, zero8)], expect: goaway(CODE.protocol) },
  { name: '6.9 a window of 0 more', frames: [frame(FRAME.window, 0, 0, uint32(0))], expect: goaway(CODE.protocol) },
  { name: '6.9 a window of a stream of 0 more', frames: [open(1), frame(FRAME.window, 0, 1, uint32(0))], expect: error(CODE.protocol) },
  { name: '6.9 a window of a wrong length', frames: [frame(FRAME.window, 0, 0, [0, 0, 1])], expect: goaway(CODE.frameSize) },
  {
    name: '6.9.1 a window over 2^31 - 1',
    frames: [frame(FRAME.window, 0, 0, uint32(2 ** 31 - 1)), frame(FRAME.window, 0, 0, uint32(2 ** 31 - 1))],
    expect: goaway(CODE.flowControl),
  },
  {
    name: '6.9.1 a window of a stream over 2^31 - 1',
    frames: [open(1), frame(FRAME.window, 0, 1, uint32(2 ** 31 - 1)), frame(FRAME.window, 0, 1, uint32(2 ** 31 - 1))],
    expect: error(CODE.flowControl),
  },
  {
    name: '6.9.2 a window of a stream over 2^31 - 1 by a setting',
    frames: [open(1), frame(FRAME.window, 0, 1, uint32(2 ** 31 - 1 - 65_535)), settings([4, 2 ** 31 - 1])],
    expect: goaway(CODE.flowControl),
  },
  {
    name: '6.10 a head in three parts',
    frames: [
      frame(FRAME.headers, 1, 1, block.subarray(0, 5)),
      frame(FRAME.continuation, 0, 1, block.subarray(5, 9)),
      frame(FRAME.continuation, 4, 1, block.subarray(9)),
    ],
    expect: ok,
  },
  { name: '6.10 a continuation of a head that is complete', frames: [open(1), frame(FRAME.continuation, 4, 1, block)], expect: goaway(CODE.protocol) },
  {
    name: '6.10 a continuation of stream 0',
    frames: [frame(FRAME.headers, 1, 1, block), frame(FRAME.continuation, 4, 0, block)],
    expect: goaway(CODE.protocol),
  },
  {
    name: '6.10 a continuation of another stream',
    frames: [frame(FRAME.headers, 1, 1, block), frame(FRAME.continuation, 4, 3, block)],
    expect: goaway(CODE.protocol),
  },
];

const STATES: readonly Http2Case[] = [
  { name: '5.1 data of an idle stream', frames: [frame(FRAME.data, 1, 1, [1])], expect: goaway(CODE.protocol) },
  { name: '5.1 a reset of an idle stream', frames: [frame(FRAME.reset, 0, 1, uint32(8))], expect: goaway(CODE.protocol) },
  { name: '5.1 a window of an idle stream', frames: [frame(FRAME.window, 0, 1, uint32(100))], expect: goaway(CODE.protocol) },
  { name: '5.1 a continuation of an idle stream', frames: [frame(FRAME.continuation, 4, 1, block)], expect: goaway(CODE.protocol) },
  {
    name: '5.1 data behind the end of a request',
    frames: [headers(1, fieldsOf({ ':path': '/slow' })), frame(FRAME.data, 1, 1, [1])],
    expect: error(CODE.streamClosed),
  },
  {
    name: '5.1 a head behind the end of a request',
    frames: [headers(1, fieldsOf({ ':path': '/slow' })), request(1)],
    expect: error(CODE.streamClosed),
  },
  { name: '5.1 data behind a reset', frames: [open(1), frame(FRAME.reset, 0, 1, uint32(8)), frame(FRAME.data, 1, 1, [1])], expect: lives },
  {
    name: '5.1 a head behind a reset',
    frames: [open(1), frame(FRAME.reset, 0, 1, uint32(8)), request(1)],
    expect: lives,
    differs: 'STREAM_CLOSED; the head is ignored',
  },
  { name: '5.1 a window behind a reset', frames: [open(1), frame(FRAME.reset, 0, 1, uint32(8)), frame(FRAME.window, 0, 1, uint32(1))], expect: lives },
  { name: '5.1.1 a stream with an even number', frames: [request(2)], expect: goaway(CODE.protocol) },
  {
    name: '5.1.1 a stream with a lower number than the last',
    frames: [request(5), request(3)],
    expect: lives,
    differs: 'PROTOCOL_ERROR of the connection; the head is ignored',
  },
];

const huge = 'a'.repeat(40_000);
const fieldCase = (name: string, more: readonly (readonly [string, string])[], expect: Http2Case['expect'] = malformed): Http2Case => ({
  name,
  frames: [headers(1, fieldsOf({}, more))],
  expect,
});
const pseudoCase = (name: string, changes: Readonly<Record<string, string>>, expect: Http2Case['expect'] = malformed): Http2Case => ({
  name,
  frames: [headers(1, fieldsOf(changes))],
  expect,
});

const MESSAGES: readonly Http2Case[] = [
  fieldCase('8.2.1 a name in capitals', [['X-Name', 'x']]),
  fieldCase('8.2.2 connection', [['connection', 'close']]),
  fieldCase('8.2.2 keep-alive', [['keep-alive', 'timeout=5']]),
  fieldCase('8.2.2 proxy-connection', [['proxy-connection', 'close']]),
  fieldCase('8.2.2 transfer-encoding', [['transfer-encoding', 'chunked']]),
  fieldCase('8.2.2 upgrade', [['upgrade', 'websocket']]),
  fieldCase('8.2.2 http2-settings', [['http2-settings', 'AAAA']]),
  fieldCase('8.2.2 te other than trailers', [['te', 'trailers, deflate']]),
  fieldCase('8.2.2 te: trailers', [['te', 'trailers']], ok),
  fieldCase('8.3 a pseudo-header field that nobody knows', [[':what', 'x']]),
  fieldCase('8.3 a pseudo-header field of answers', [[':status', '200']]),
  fieldCase('8.3 a pseudo-header field behind the others', [
    ['x-a', 'b'],
    [':authority', 'y'],
  ]),
  fieldCase('8.3.1 :method twice', [[':method', 'GET']]),
  fieldCase('8.3.1 :path twice', [[':path', '/']]),
  fieldCase('8.3.1 :scheme twice', [[':scheme', 'http']]),
  fieldCase('8.3.1 :authority twice', [[':authority', 'x']]),
  pseudoCase('8.3.1 no :method', { ':method': '' }),
  pseudoCase('8.3.1 no :scheme', { ':scheme': '' }),
  pseudoCase('8.3.1 no :path', { ':path': '' }),
  { name: '8.3.1 an empty :path', frames: [headers(1, [...fieldsOf({ ':path': '' }), [':path', '']])], expect: malformed },
  pseudoCase('8.3.1 a :path that does not begin with /', { ':path': 'a' }),
  pseudoCase('8.3.1 a :path that is an address', { ':path': 'http://x/' }),
  pseudoCase('8.3.1 :path * of OPTIONS', { ':method': 'OPTIONS', ':path': '*' }, ok),
  pseudoCase('8.3.1 :path * of GET', { ':path': '*' }),
  pseudoCase('8.3.1 no authority at all', { ':authority': '' }),
  pseudoCase('8.5 CONNECT', { ':method': 'CONNECT', ':scheme': '', ':path': '' }, { status: 501, stream: 1 }),
  pseudoCase('8.5 CONNECT with a path', { ':method': 'CONNECT' }),
  fieldCase('RFC 8441 :protocol, which was not offered', [[':protocol', 'websocket']]),
  { name: '8.1 a second head that ends nothing', frames: [open(1), headers(1, [['x', 'y']], FLAG.endHeaders)], expect: malformed },
  { name: '8.1 a pseudo-header field in trailers', frames: [open(1), headers(1, [[':method', 'GET']])], expect: malformed },
  {
    name: '8.1.1 a length that one frame of data does not have',
    frames: [headers(1, fieldsOf({ ':method': 'POST' }, [['content-length', '5']]), FLAG.endHeaders), frame(FRAME.data, 1, 1, [1])],
    expect: malformed,
  },
  {
    name: '8.1.1 a length that several frames of data exceed',
    frames: [
      headers(1, fieldsOf({ ':method': 'POST' }, [['content-length', '1']]), FLAG.endHeaders),
      frame(FRAME.data, 0, 1, [1]),
      frame(FRAME.data, 1, 1, [2]),
    ],
    expect: goaway(CODE.internal),
    differs: 'PROTOCOL_ERROR of the stream; the connection is ended',
  },
  { name: '8.1.1 a length of a request that has ended', frames: [headers(1, fieldsOf({ ':method': 'POST' }, [['content-length', '5']]))], expect: malformed },
  {
    name: '8.1.1 two lengths',
    frames: [
      headers(
        1,
        fieldsOf({ ':method': 'POST' }, [
          ['content-length', '1'],
          ['content-length', '1'],
        ]),
        FLAG.endHeaders,
      ),
      frame(FRAME.data, 1, 1, [1]),
    ],
    expect: malformed,
  },
  {
    name: '8.1.1 a length that is no number',
    frames: [headers(1, fieldsOf({ ':method': 'POST' }, [['content-length', '+1']]), FLAG.endHeaders), frame(FRAME.data, 1, 1, [1])],
    expect: malformed,
  },
  {
    name: '10.5.1 more bytes of fields than we take',
    frames: [
      headers(1, fieldsOf({}, [['x', huge.slice(0, 16_000)]])),
      frame(FRAME.headers, 1, 3, literals(fieldsOf({}, [['x', huge.slice(0, 16_000)]]))),
      frame(FRAME.continuation, 0, 3, literals([['y', huge.slice(0, 15_000)]])),
      frame(FRAME.continuation, 4, 3, literals([['z', huge.slice(0, 15_000)]])),
    ],
    expect: { status: 431, stream: 3 },
  },
  fieldCase(
    '10.5.1 more fields than we take',
    Array.from({ length: 130 }, (_, i) => [`x-${i}`, 'y'] as const),
    reset(CODE.enhanceYourCalm),
  ),
  fieldCase(
    '10.5.1 more fields than a request may have',
    Array.from({ length: 110 }, (_, i) => [`x-${i}`, 'y'] as const),
    { status: 431, stream: 1 },
  ),
  fieldCase('10.5.1 a field longer than one may be', [['x', huge.slice(0, 16_370)]], goaway(CODE.frameSize)),
];

const HPACK: readonly Http2Case[] = [
  { name: 'RFC 7541 2.3.3 an index beyond both tables', frames: [frame(FRAME.headers, 5, 1, [0xff, 0x80, 0x01])], expect: goaway(CODE.compression) },
  { name: 'RFC 7541 6.1 the index 0', frames: [frame(FRAME.headers, 5, 1, [0x80])], expect: goaway(CODE.compression) },
  { name: 'RFC 7541 4.2 a change of the table behind fields', frames: [frame(FRAME.headers, 5, 1, [...block, 0x20])], expect: goaway(CODE.compression) },
  {
    name: 'RFC 7541 6.3 a table larger than offered',
    frames: [frame(FRAME.headers, 5, 1, [0x3f, 0xff, 0xff, 0x03, ...block])],
    expect: goaway(CODE.compression),
  },
  { name: 'RFC 7541 5.1 an integer without end', frames: [frame(FRAME.headers, 5, 1, [0x0f, ...Array(20).fill(0xff)])], expect: goaway(CODE.compression) },
  {
    name: 'RFC 7541 5.2 a value that is longer than its block',
    frames: [frame(FRAME.headers, 5, 1, [0x00, 0x01, 0x78, 0x7f, 0x41])],
    expect: goaway(CODE.compression),
  },
  {
    name: 'RFC 7541 5.2 Huffman padding of more than 7 bits',
    frames: [frame(FRAME.headers, 5, 1, [...block, 0x00, 0x01, 0x78, 0x82, 0x1f, 0xff])],
    expect: goaway(CODE.compression),
  },
  {
    name: 'RFC 7541 5.2 Huffman padding of zeros',
    frames: [frame(FRAME.headers, 5, 1, [...block, 0x00, 0x01, 0x78, 0x81, 0x18])],
    expect: goaway(CODE.compression),
  },
  {
    name: 'RFC 7541 5.2 the end of strings in a string',
    frames: [frame(FRAME.headers, 5, 1, [...block, 0x00, 0x01, 0x78, 0x84, 0xff, 0xff, 0xff, 0xff])],
    expect: goaway(CODE.compression),
  },
];

export const HTTP2_CASES: readonly Http2Case[] = [...FRAMES, ...STATES, ...MESSAGES, ...HPACK];

/**
 * Requests whose parts would be something else in HTTP/1.1. Whatever is done with them, no byte of `evil` may reach a backend, nor a second request.
 */
export const SMUGGLED: readonly { readonly name: string; readonly fields: readonly (readonly [name: string, value: string])[] }[] = [
  { name: 'a line in a value', fields: fieldsOf({}, [['x', 'a\r\nevil: 1']]) },
  { name: 'a bare LF in a value', fields: fieldsOf({}, [['x', 'a\nevil: 1']]) },
  { name: 'a bare CR in a value', fields: fieldsOf({}, [['x', 'a\revil: 1']]) },
  { name: 'NUL in a value', fields: fieldsOf({}, [['x', 'a\0evil']]) },
  { name: 'a request in a value', fields: fieldsOf({}, [['x', 'a\r\n\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\n']]) },
  { name: 'a line in a name', fields: fieldsOf({}, [['x: a\r\nevil', '1']]) },
  { name: 'a colon in a name', fields: fieldsOf({}, [['evil:x', '1']]) },
  { name: 'a space in a name', fields: fieldsOf({}, [['evil x', '1']]) },
  { name: 'a space behind a name', fields: fieldsOf({}, [['evil ', '1']]) },
  { name: 'an empty name', fields: fieldsOf({}, [['', 'evil']]) },
  { name: 'a line in the method', fields: fieldsOf({ ':method': 'GET /evil HTTP/1.1\r\nHost: x\r\n\r\nGET' }) },
  { name: 'a space in the method', fields: fieldsOf({ ':method': 'GET /evil' }) },
  { name: 'a line in the path', fields: fieldsOf({ ':path': '/ HTTP/1.1\r\nevil: 1\r\n\r\n' }) },
  { name: 'a space in the path', fields: fieldsOf({ ':path': '/ evil' }) },
  { name: 'a fragment in the path', fields: fieldsOf({ ':path': '/#evil' }) },
  { name: 'a line in the authority', fields: fieldsOf({ ':authority': 'x\r\nevil: 1' }) },
  { name: 'a path in the authority', fields: fieldsOf({ ':authority': 'x/evil' }) },
  { name: 'a user in the authority', fields: fieldsOf({ ':authority': 'evil@x' }) },
  { name: 'a line in the scheme', fields: fieldsOf({ ':scheme': 'http\r\nevil: 1' }) },
  { name: 'an address in the scheme', fields: fieldsOf({ ':scheme': 'http://evil/?' }) },
  { name: 'another host in Host', fields: fieldsOf({}, [['host', 'evil']]) },
  { name: 'a line in Host alone', fields: fieldsOf({ ':authority': '' }, [['host', 'x\r\nevil: 1']]) },
  {
    name: 'two hosts',
    fields: fieldsOf({ ':authority': '' }, [
      ['host', 'x'],
      ['host', 'evil'],
    ]),
  },
  { name: 'chunks', fields: fieldsOf({ ':method': 'POST' }, [['transfer-encoding', 'chunked, evil']]) },
  { name: 'chunks by another letter', fields: fieldsOf({ ':method': 'POST' }, [['transfer_encoding', 'evil']]) },
  { name: 'an upgrade', fields: fieldsOf({}, [['upgrade', 'evil']]) },
  {
    name: 'a forged address',
    fields: fieldsOf({}, [
      ['x-forwarded-for', 'evil'],
      ['x-real-ip', 'evil'],
      ['forwarded', 'for=evil'],
    ]),
  },
  {
    name: 'a line in a cookie',
    fields: fieldsOf({}, [
      ['cookie', 'a=1'],
      ['cookie', 'b\r\nevil: 1'],
    ]),
  },
];
