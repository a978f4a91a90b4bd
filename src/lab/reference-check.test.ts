import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCsv } from './csv.ts';
import { groupReferenceRows, judge, referenceRows } from './reference-check.ts';
import { scenarioOfRow } from './reference-scenario.ts';
import { runScenario } from './scenario.ts';

const HEAD = 'policy,distribution,params,rho,metric,value,kind,formula_source';

/** The measured value of one row of a reference file over the exact one, with few jobs. */
function ratioOf(row: string): number {
  const read = referenceRows(readCsv(`${HEAD}\n${row},exact,`))[0];
  assert.ok(read);
  const measured = runScenario(scenarioOfRow(read, { jobs: 40_000, seed: 2 })).metrics[read.metric];
  assert.ok(measured, `${row} has no metric`);
  return measured.value / read.value;
}

test('rows of every family are read as what they mean', () => {
  const rows = [
    'fcfs,uniform,0..2;lambda=0.5;c=1,0.5,mean_wait,0.6666666667',
    'ps,h2,mean=1;scv=4;balanced p=0.8872983346;lambda=0.5;c=1,0.5,mean_slowdown,2',
    'fcfs+setup(det mean=5),det,value=1;lambda=0.3;c=1,0.3,mean_wait,3.714285714',
    '"rr(q=0.25,overhead=0.01 per slice)",exp,mean=1;lambda=0.5;c=1,0.5,busy_fraction,0.5226040583',
    '"mlfq(allotments 1m,3m,inf)",uniform,0..2;lambda=0.5;c=1,0.5,mean_response,2.116666667',
    'loss (no queue),exp|any,mean=1;lambda=1.5;c=3;K=3,0.5,p_block,0.1343283582',
    'fcfs-bounded-queue,exp,mean=1;lambda=0.9;c=1;K=5 (max in system),0.9,throughput,0.786579705',
    'fcfs+timeouts (Erlang-A),exp,mean=1;lambda=105;c=100;patience=exp(rate 0.5) (only while waiting),1.05,mean_queue_length,12.67758345',
    'lb-round-robin,exp,mean=1;lambda=1;c=2,0.5,mean_response,1.618033989',
    'lb-random,exp,mean=1;lambda=0.7*c;c=any,0.7,mean_response,3.333333333',
    '"lb-redundancy-d=2 (cancel on completion, hedging)",exp,mean=1 iid replicas;lambda=8;c=10,0.8,mean_response,1.410074015',
    'fork-join n=2,exp,mean=1;lambda=0.5;c=2,0.5,mean_response,2.875',
    'priority-preemptive-resume,exp,class1(high) lambda=0.6 mean=1; class2(low) lambda=0.1 mean=2,0.8,mean_response_class1,2.5',
    'weighted-fair-share (DPS weights 4:1),exp,class1(high) lambda=0.6 mean=1; class2(low) lambda=0.1 mean=2,0.8,mean_response_class2,14.5',
    'sjf-np with predictions (SPJF),exp,mean=1;prediction y|x ~ Exp(mean x);lambda=0.5;c=1,0.5,mean_response,1.794814492',
    // Two customers that think 1 s on average, one server: throughput 0.8, so a cycle takes 2.5 s.
    'closed loop (MVA),exp,mean=1;N=2;Z=1;c=1,,mean_response,1.5',
  ];
  for (const row of rows) assert.ok(Math.abs(ratioOf(row) - 1) < 0.15, `${row}: ${ratioOf(row)}`);
});

test('rows of one queue are one simulation, and what the lab cannot do says why', () => {
  const rows = referenceRows(
    readCsv(
      [
        HEAD,
        'fcfs,exp,mean=1;lambda=0.5;c=1,0.5,mean_wait,1,exact,',
        'fcfs,exp,mean=1;lambda=0.5;c=1,0.5,p_wait,0.5,exact,',
        'gittins,exp,mean=1;lambda=0.5;c=1,0.5,mean_wait,1,exact,',
      ].join('\n'),
    ),
  );
  const groups = groupReferenceRows(rows, { jobs: 100, seed: 1 });
  assert.deepEqual(
    groups.map((group) => [group.rows.length, group.problem]),
    [
      [2, ''],
      [1, 'the lab has no policy for "gittins"'],
    ],
  );
});

test('a mean passes within three intervals or 1.5 %, a percentile within 5 %, and a missing metric is unsupported', () => {
  const rows = referenceRows(
    readCsv(
      `${HEAD}\nfcfs,exp,lambda=0.5,0.5,mean_wait,1,exact,\nfcfs,exp,lambda=0.5,0.5,p99_wait,10,exact,\nfcfs,exp,lambda=0.9,0.9,p99_wait,10,exact,\nfcfs,exp,lambda=0.5,0.5,var_wait,10,exact,`,
    ),
  );
  const [mean, percentile, high, variance] = rows;
  assert.ok(mean && percentile && high && variance);
  assert.equal(judge(variance, { value: 10.4, halfWidth: 0 }).verdict, 'pass');
  assert.equal(judge(variance, { value: 10.6, halfWidth: 0 }).verdict, 'fail');
  assert.equal(judge(mean, { value: 1.014, halfWidth: 0 }).verdict, 'pass');
  assert.equal(judge(mean, { value: 1.02, halfWidth: 0.001 }).verdict, 'fail');
  assert.equal(judge(mean, { value: 1.02, halfWidth: 0.01 }).verdict, 'pass');
  assert.equal(judge(percentile, { value: 10.4, halfWidth: 0 }).verdict, 'pass');
  assert.equal(judge(percentile, { value: 10.6, halfWidth: 0 }).verdict, 'fail');
  assert.equal(judge(high, { value: 10.6, halfWidth: 0 }).verdict, 'shown');
  assert.equal(judge(mean, undefined).verdict, 'unsupported');
});

test('a reference file without a column, or with a word for a number, is INVALID and says where', () => {
  assert.throws(() => referenceRows(readCsv('policy,metric\nfcfs,mean_wait')), {
    code: 'INVALID',
    message: /line 2, because column "distribution" is missing/,
  });
  assert.throws(() => referenceRows(readCsv(`${HEAD}\nfcfs,exp,lambda=0.5,0.5,mean_wait,one,exact,`)), {
    code: 'INVALID',
    message: /value "one" is not a number/,
  });
});
