import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
let folder = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haven-lab-'));
});
after(async () => {
  await rm(folder, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function lab(...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, 'lab', ...args], (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    );
  });
}

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const SWF = ['; MaxProcs: 8', '1 0 5 100 4 -1 -1 4 200 -1 1 1 1 -1 -1 -1 -1 -1', '2 10 5 50 8 -1 -1 8 60 -1 1 1 1 -1 -1 -1 -1 -1', 'garbage'].join('\n');

test('simulate prints the same bytes for the same seed, in the names of the reference file', async () => {
  const args = [
    'simulate',
    '--policy',
    'sjf',
    '--arrivals',
    'poisson?rate=0.8',
    '--sizes',
    'exp?mean=1',
    '--servers',
    '1',
    '--jobs',
    '20000',
    '--warmup',
    '2000',
    '--seed',
    '1',
    '--json',
  ];
  const [first, second] = await Promise.all([lab(...args), lab(...args)]);
  assert.equal(first.code, 0, first.stderr);
  assert.equal(first.stdout, second.stdout);
  const result = JSON.parse(first.stdout) as Record<string, number>;
  for (const metric of ['mean_response', 'mean_wait', 'p99_wait', 'utilisation', 'p_wait', 'mean_slowdown']) assert.ok((result[metric] ?? 0) > 0, metric);
});

test('each mistake on the command line is one sentence and exit code 2', async () => {
  const mistakes: readonly (readonly [readonly string[], RegExp])[] = [
    [['simulate', '--policy', 'sjff'], /no queue policy "sjff"; there are fifo/],
    [['simulate', '--policy', 'time-slice?quantum=5'], /"quantum" is "5", but it must be a duration/],
    [['simulate', '--policy', 'sjf?quantum=5ms'], /has no option "quantum"/],
    [['simulate', '--arrivals', 'poisson?rate=-1'], /arrival rate of "-1"/],
    [['simulate', '--jobs', '10', '--warmup', '10'], /at least one job must be measured/],
    [['simulate', '--jobs', 'many'], /whole number of at least 1/],
    [['simulate', '--sizes', 'pareto?alpha=1'], /no law "pareto"/],
    [['gantt', '--jobs', 'P1:0'], /name:arrival:burst/],
  ];
  for (const [args, message] of mistakes) {
    const ran = await lab(...args);
    assert.equal(ran.code, 2, args.join(' '));
    assert.match(ran.stderr, message);
    assert.equal(ran.stderr.trim().split('\n').length, 1);
  }
});

test('a load of one or more is run, with a warning of what will be seen', async () => {
  const ran = await lab('simulate', '--arrivals', 'poisson?rate=1.2', '--jobs', '2000', '--json');
  assert.equal(ran.code, 0);
  assert.match(ran.stderr, /load of 1\.200 per worker is unstable: the queue grows/);
  assert.equal((JSON.parse(ran.stdout) as { stable: number }).stable, 0);
});

test('logs are read plain and packed; a cut one is CORRUPT, a missing one named', async () => {
  const plain = await file('log.swf', SWF);
  const packed = await file('log.swf.gz', gzipSync(SWF));
  const cut = await file('cut.swf.gz', gzipSync(SWF.repeat(50)).subarray(0, 60));
  const [fromPlain, fromPacked, fromCut, missing] = await Promise.all([
    lab('swf', plain, '--policy', 'easy', '--json'),
    lab('swf', packed, '--policy', 'easy', '--json'),
    lab('swf', cut),
    lab('swf', join(folder, 'none.swf')),
  ]);
  assert.equal(fromPlain.stdout, fromPacked.stdout);
  assert.deepEqual([fromPlain.code, (JSON.parse(fromPlain.stdout) as { jobs: number }).jobs], [0, 2]);
  assert.match(fromPlain.stderr, /1 row of .*log\.swf left out: line 4 has 1 of 18 fields/);
  assert.deepEqual([fromCut.code, missing.code], [1, 1]);
  assert.match(fromCut.stderr, /cut\.swf\.gz", because the gz data is damaged or cut off/);
  assert.match(missing.stderr, /Cannot read .*none\.swf/);
});

test('check passes right values, fails wrong ones with the deviation, and names what it cannot do', async () => {
  const rows = [
    'policy,distribution,params,rho,metric,value,kind,formula_source',
    'fcfs,exp,mean=1;lambda=0.5;c=1,0.5,mean_wait,1,exact,',
    'fcfs,exp,mean=1;lambda=0.5;c=1,0.5,mean_response,3,exact,',
    'gittins,exp,mean=1;lambda=0.5;c=1,0.5,mean_response,2,exact,',
  ];
  const ran = await lab('check', await file('reference.csv', rows.join('\n')), '--jobs', '40000', '--seeds', '2', '--json');
  const report = JSON.parse(ran.stdout) as { rows: readonly { verdict: string; deviation: number | null; note: string }[] };
  assert.deepEqual(
    report.rows.map((row) => row.verdict),
    ['pass', 'fail', 'unsupported'],
  );
  assert.ok(Math.abs((report.rows[1]?.deviation ?? 0) - 1 / 3) < 0.05);
  assert.match(report.rows[2]?.note ?? '', /no policy for "gittins"/);
  assert.equal(ran.code, 1);
});

test('textbook tells the cases that differ and exits with 1', async () => {
  const processes = [
    { name: 'A', arrival: 0, burst: 3 },
    { name: 'B', arrival: 0, burst: 1 },
  ];
  const single = (id: string, average: number) => ({ id, policy: 'sjf', quantum: null, processes, published: { avg_waiting: average } });
  const ran = await lab('textbook', await file('book.json', JSON.stringify({ single_cpu: [single('right', 0.5), single('wrong', 2)], other: [] })), '--json');
  const report = JSON.parse(ran.stdout) as { cases: readonly { id: string; verdict: string; differences: readonly string[] }[]; passed: number };
  assert.deepEqual(
    report.cases.map(({ id, verdict }) => [id, verdict]),
    [
      ['right', 'pass'],
      ['wrong', 'fail'],
    ],
  );
  assert.deepEqual([report.passed, ran.code], [1, 1]);
  assert.match((await lab('textbook', await file('broken.json', '{"single_cpu": ['))).stderr, /as JSON/);
});
