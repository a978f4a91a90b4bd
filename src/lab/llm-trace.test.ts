import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCsv } from './csv.ts';
import { dispatchTrace, parseLlmTrace } from './llm-trace.ts';

const HEAD = 'TIMESTAMP,ContextTokens,GeneratedTokens';

test('an LLM trace becomes requests whose service follows from their tokens; bad rows are skipped with their line', () => {
  const trace = parseLlmTrace(
    readCsv(
      [
        HEAD,
        '2023-11-16 18:00:01.5000000,1000,10',
        '2023-11-16 18:00:00.2500000,10,1',
        'yesterday,1,1',
        '2023-11-16 18:00:02,-4,1',
        '2023-11-16 18:00:02',
      ].join('\n'),
    ),
  );
  assert.deepEqual(trace.requests, [
    { at: 0, size: 22_000 },
    { at: 1_250_000, size: 400_000 },
  ]);
  assert.deepEqual(trace.skipped, [
    { line: 4, reason: 'TIMESTAMP is "yesterday"' },
    { line: 5, reason: 'tokens are "-4" and "1"' },
    { line: 6, reason: 'has too few columns' },
  ]);
  assert.equal(trace.unsorted, 1);
  assert.throws(() => parseLlmTrace(readCsv('a,b\n1,2')), { code: 'INVALID', message: /column TIMESTAMP/ });
  assert.throws(() => parseLlmTrace(readCsv(HEAD)), { code: 'INVALID', message: /none of its 0 rows/ });
});

test('least work left is the central queue, request by request, and round robin is worse on a convoy', () => {
  const requests = Array.from({ length: 200 }, (_, index) => ({ at: index * 100, size: index % 2 === 0 ? 350 : 10 }));
  const central = dispatchTrace(requests, { policy: 'central-fifo', replicas: 2, seed: 1 });
  const leastWork = dispatchTrace(requests, { policy: 'least-work-left', replicas: 2, seed: 1 });
  assert.deepEqual({ ...leastWork, policy: '' }, { ...central, policy: '' });
  assert.ok(dispatchTrace(requests, { policy: 'round-robin', replicas: 2, seed: 1 }).mean_response > 3 * central.mean_response);
  assert.throws(() => dispatchTrace(requests, { policy: 'fastest', replicas: 2, seed: 1 }), { code: 'INVALID', message: /there are random, round-robin/ });
});
