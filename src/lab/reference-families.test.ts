import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCsv } from './csv.ts';
import { referenceRows } from './reference-check.ts';
import { scenarioOfRow } from './reference-scenario.ts';
import { runScenario } from './scenario.ts';

// Rows in the words of the reference file that its sample does not hold, with values from the formulas named beside them.

/** Exact mean value analysis of one server and customers that think (Reiser and Lavenberg 1980): response and throughput. */
function meanValueAnalysis(customers: number, think: number, service: number): { readonly response: number; readonly throughput: number } {
  let [queue, response, throughput] = [0, 0, 0];
  for (let count = 1; count <= customers; count += 1) {
    response = service * (1 + queue);
    throughput = count / (think + response);
    queue = throughput * response;
  }
  return { response, throughput };
}

/** Stationary probabilities of a birth and death process with these rates. */
function birthDeath(births: readonly number[], deaths: readonly number[]): readonly number[] {
  const weights = [1];
  for (const [state, birth] of births.entries()) weights.push(((weights[state] as number) * birth) / (deaths[state] as number));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** M/M/c+M (Erlang-A), states up to a point that is never reached. */
function erlangA(rate: number, servers: number, leave: number): { readonly queue: number; readonly abandon: number } {
  const states = 400;
  const chances = birthDeath(
    Array.from({ length: states }, () => rate),
    Array.from({ length: states }, (_, state) => Math.min(servers, state + 1) + leave * Math.max(0, state + 1 - servers)),
  );
  const queue = chances.reduce((sum, chance, state) => sum + chance * Math.max(0, state - servers), 0);
  return { queue, abandon: (leave * queue) / rate };
}

const mva = meanValueAnalysis(10, 5, 1);
const full = birthDeath([2, 2, 2, 2, 2, 2], [1, 2, 3, 3, 3, 3]);
const impatient = erlangA(12, 10, 0.5);
/** Of four classes that bring a load of 0.2 each with mean 1, exponential: work found on arrival. */
const residual = 0.8;

const ROWS: readonly (readonly [row: string, value: number])[] = [
  ['"closed (machine repair, MVA)",exp,mean=1;N=10;Z=5;c=1,,mean_response', mva.response],
  ['closed (MVA),exp,mean=1;N=10;think=exp(mean 5);c=1,,throughput', mva.throughput],
  ['closed (MVA),exp,mean=1;customers=10;Z=5;c=1,,utilisation', mva.throughput],
  // (12 - rho)/8 / (mu - lambda), Flatto and Hahn 1984.
  ['fork-join (n=2),exp,mean=1;lambda=0.6,0.6,mean_response', (11.4 / 8) * 2.5],
  // sum over i from d of 1 / (n C(n-1,d-1)/C(i-1,d-1) mu - n lambda), Gardner et al. 2017, with n = 4, d = 3.
  [
    '"lb-redundancy-d=3 (cancel on completion, hedging)",exp,mean=1 iid replicas;lambda=2;c=4,0.5,mean_response',
    [3, 4].reduce((sum, i) => sum + 1 / ((4 * 3) / (i === 3 ? 1 : 3) - 2), 0),
  ],
  // Least work left is the central queue: Erlang C with c = 2, rho = 0.7.
  ['lb-lwl (least work left),exp,mean=1;lambda=1.4;c=2,0.7,mean_response', 1 + 0.7 ** 2 / (1 - 0.7 ** 2)],
  ['lb-power-of-two,exp,mean=1;c->inf (mean field),0.5,mean_response', 1.2657],
  ['fcfs-bounded-queue,exp,mean=1;lambda=2;c=3;K=6 (max in system),0.67,mean_number_in_system', full.reduce((sum, chance, state) => sum + chance * state, 0)],
  ['fcfs-bounded-queue,exp,mean=1;lambda=2;c=3;K=6 (max in system),0.67,p_block', full[6] as number],
  ['loss (no queue),det,value=1;lambda=2;c=3;K=3,0.67,p_block', birthDeath([2, 2, 2], [1, 2, 3])[3] as number],
  ['fcfs+timeouts (Erlang-A),exp,mean=1;lambda=12;c=10;patience=exp(mean 2) (only while waiting),1.2,p_abandon', impatient.abandon],
  ['fcfs+timeouts (Erlang-A),exp,mean=1;lambda=12;c=10;patience=exp(rate 0.5) (only while waiting),1.2,mean_wait', impatient.queue / 12],
  // Cobham 1954 with four classes: W0 / ((1 - s_{k-1})(1 - s_k)).
  ...[1, 2, 3, 4].map(
    (k) =>
      [
        `priority-np,exp,class1(high) lambda=0.2 mean=1; class2 lambda=0.2 mean=1; class3 lambda=0.2 mean=1; class4(low) lambda=0.2 mean=1,0.8,mean_wait_class${k}`,
        residual / ((1 - 0.2 * (k - 1)) * (1 - 0.2 * k)),
      ] as const,
  ),
  // Preemptive resume, class 3: E[S]/(1 - s2) + sum_{i<=3} lambda_i E[S_i^2]/2 / ((1 - s2)(1 - s3)).
  [
    'priority-preemptive-resume,exp,class1(high) lambda=0.2 mean=1; class2 lambda=0.2 mean=1; class3(low) lambda=0.2 mean=1,0.6,mean_response_class3',
    1 / 0.6 + 0.6 / (0.6 * 0.4),
  ],
  // The same with equal sizes, class 1 sees only itself: M/D/1.
  ['priority-preemptive-resume,det,class1(high) lambda=0.5 mean=1; class2(low) lambda=0.3 mean=1,0.8,mean_response_class1', 1.5],
  // Sharing by weight is insensitive to how the weights are scaled; with equal ones it is processor sharing.
  ['"weighted-fair-share (DPS weights 2:2:2)",exp,class1 lambda=0.2 mean=1; class2 lambda=0.2 mean=1; class3 lambda=0.2 mean=1,0.6,mean_response_class3', 2.5],
  // Welch 1964, set-up of two exponential stages: P-K + (2E[I] + lambda E[I^2]) / (2(1 + lambda E[I])).
  ['fcfs+setup(erlang2 mean=3),exp,mean=1;lambda=0.5;c=1,0.5,mean_wait', 1 + (6 + 0.5 * 13.5) / (2 * 2.5)],
  // Turns without overhead: memoryless sizes do not care.
  ['rr(q=0.5),exp,mean=1;lambda=0.6;c=1,0.6,mean_response', 2.5],
  // A switch costs only when the worker changes its job: alone in the system, a job pays once.
  ['"rr(q=0.5,overhead=0.25 on change of job)",det,value=1;lambda=0.01;c=1,0.01,slices_per_job', 2],
  // Kleinrock II 4.7 with allotments of half and twice the mean; on exponential sizes every such policy has the mean of M/M/1.
  ['"mlfq(allotments 0.5m,2m,inf)",exp,mean=2;lambda=0.3;c=1,0.6,mean_response', 5],
  ['"mlfq(thresholds 1,4,inf)",exp,mean=2;lambda=0.3;c=1,0.6,mean_response', 5],
  ['lcfs-np,exp,mean=1;lambda=0.5;c=1,0.5,mean_wait', 1],
  ['lifo-preemptive,det,value=2;lambda=0.25;c=1,0.5,mean_response', 4],
  ['siro,exp,mean=1;lambda=0.5;c=1,0.5,p_wait', 0.5],
  ['fcfs,erlang3,mean=1;lambda=0.6;c=1,0.6,mean_wait', (0.6 * (4 / 3)) / 0.8],
  ['fcfs,lognormal,mean=1;scv=2;lambda=0.5;c=1,0.5,mean_wait', 1.5],
  ['fcfs,uniform,1..3;lambda=0.25;c=1,0.5,mean_wait', (0.25 * (13 / 3)) / 1],
  // P(T <= t) = 1 - e^{-(mu - lambda) t}.
  ['fcfs,exp,mean=1;lambda=0.5;c=1,0.5,p75_response', 2 * Math.log(4)],
  ['hrrn,det,value=1;lambda=0.5;c=1,0.5,mean_wait', 0.5],
];

test('families and words beyond the sample are simulated as what they mean', () => {
  for (const [text, value] of ROWS) {
    const [row] = referenceRows(readCsv(`policy,distribution,params,rho,metric,value,kind,formula_source\n${text},${value},exact,`));
    assert.ok(row);
    const measured = runScenario(scenarioOfRow(row, { jobs: 60_000, seed: 4 })).metrics[row.metric];
    assert.ok(measured, `${text} has no metric`);
    assert.ok(Math.abs(measured.value / value - 1) < 0.07, `${text}: ${measured.value} against ${value}`);
  }
});

test('what nobody can simulate names its row', () => {
  const problemOf = (text: string): string => {
    const [row] = referenceRows(readCsv(`policy,distribution,params,rho,metric,value\n${text},1`));
    try {
      if (row !== undefined) scenarioOfRow(row, { jobs: 10, seed: 1 });
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
    return '';
  };
  assert.equal(problemOf('gittins,exp,mean=1;lambda=0.5;c=1,0.5,mean_wait'), 'the lab has no policy for "gittins"');
  assert.equal(problemOf('fcfs,cauchy,mean=1;lambda=0.5;c=1,0.5,mean_wait'), 'the lab has no law for "cauchy"');
  assert.equal(problemOf('ps,exp,mean=1;lambda=1.5;c=2,0.75,mean_wait'), 'the lab shares one worker exactly, not 2');
  assert.match(problemOf('closed (MVA),exp,mean=1;N=3;c=1,0,mean_response'), /no number of customers or think time/);
  assert.match(problemOf('fcfs+timeouts (Erlang-A),exp,mean=1;lambda=2;c=1,2,mean_wait'), /no patience/);
  assert.match(problemOf('fcfs,exp,mean=1;c=1,0,mean_wait'), /no arrival rate/);
});
