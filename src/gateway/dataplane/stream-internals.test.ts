import { equal } from 'node:assert/strict';
import { test } from 'node:test';
import { internals, writeTo, writtenFor } from './stream-internals.ts';

const bytes = Buffer.from('some bytes', 'latin1');

class WriteWrap {
  owner: undefined;
  bytes: undefined;
  writeStatus: number | null = null;
  oncomplete = () => undefined;
}

/** The interface of a version of Node: of those up to 25, or of those from 26 on. */
function known(givesRequest: boolean) {
  return { WriteWrap, givesRequest, streamBaseState: new Int32Array(8), kLastWriteWasAsync: 3, kLastWriteErr: 4, kReadBytesOrError: 0 };
}

/** A handle on which each write ends as told. */
function handle(writeBuffer: (request: object | null) => number | WriteWrap) {
  return {
    writeBuffer,
    useUserBuffer: () => undefined,
    readStart: () => 0,
    readStop: () => 0,
    onread: () => undefined,
    writeQueueSize: 0,
    bytesWritten: 0,
    wire: undefined,
  };
}

test('the Node that runs this has an interface that wires know: writes need not go through streams', () => {
  equal(typeof internals?.streamBaseState, 'object');
});

test('a write that the kernel took is 0, one that broke an error, one that goes on its request, where Node takes the request', () => {
  const node = known(false);
  let given: object | null = null;
  const taken = handle((request) => {
    given = request;
    return 0;
  });
  equal(writeTo(node, taken, bytes), 0);
  const first = given;
  equal(writeTo(node, taken, bytes), 0);
  equal(given, first, 'the request is used again');
  equal(
    writeTo(
      node,
      handle(() => -32),
      bytes,
    ),
    -32,
  );
  node.streamBaseState[3] = 1;
  equal(writeTo(node, taken, bytes), first);
  writeTo(node, taken, bytes);
  equal(given !== first, true, 'one under way is not');
});

test('a write that the kernel took is 0, one that broke an error, one that goes on its request, where Node gives the request', () => {
  const node = known(true);
  const under = new WriteWrap();
  const write = (result: number | WriteWrap) =>
    writeTo(
      node,
      handle((request) => (request === null ? result : -22)),
      bytes,
    );
  equal(write(0), 0);
  equal(write(-32), -32);
  equal(write(under), under);
  under.writeStatus = 0;
  equal(write(under), 0, 'it was over before it could be told');
  node.streamBaseState[4] = -104;
  equal(writtenFor(node, new WriteWrap()), -104);
});
