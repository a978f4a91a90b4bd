import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const MAIN = join(import.meta.dirname, 'main.ts');

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function lab(args: readonly string[], options: { readonly interruptWhen?: RegExp } = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, 'lab', ...args]);
    let stdout = '';
    let stderr = '';
    let isInterrupted = false;
    child.stdout.on('data', (bytes: Buffer) => {
      stdout += bytes.toString();
    });
    child.stderr.on('data', (bytes: Buffer) => {
      stderr += bytes.toString();
      if (isInterrupted || options.interruptWhen?.test(stderr) !== true) return;
      isInterrupted = true;
      child.kill('SIGINT');
    });
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'haven-lab-'));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('compare runs seeds in threads and gives the same bytes again', async () => {
  const args = ['compare', '--workload', 'exp?load=0.8', '--policies', 'fifo,sjf,time-slice?quantum=500ms', '--seeds', '3', '--jobs', '5000', '--json'];
  const [first, second] = [await lab(args), await lab(args)];
  assert.equal(first.code, 0, first.stderr);
  assert.equal(first.stdout, second.stdout);
  const result = JSON.parse(first.stdout);
  assert.deepEqual(
    result.policies.map((one: { policy: string; seeds: number }) => [one.policy, one.seeds]),
    [
      ['fifo', 3],
      ['sjf', 3],
      ['time-slice?quantum=500ms', 3],
    ],
  );
  for (const key of [
    'mean_response',
    'p99_slowdown',
    'mean_bounded_slowdown',
    'throughput',
    'utilisation',
    'makespan',
    'jain_fairness',
    'interruptions_per_job',
  ]) {
    assert.equal(typeof result.policies[0].metrics[key], 'number', key);
  }
});

test('compare writes page, picture and table, reads a packed trace and says which rows it left out', async () => {
  await withFolder(async (folder) => {
    const trace = join(folder, 'trace.csv.gz');
    const rows = Array.from({ length: 400 }, (_, index) => `${index},${1 + (index % 5) / 3},t${index % 2}`);
    await writeFile(trace, gzipSync(`at,size,tenant\n${rows.join('\n')}\nNaN,1,t0\n`));
    const paths = ['html', 'svg', 'csv'].map((name) => join(folder, `report.${name}`));
    const files = ['--html', paths[0] ?? '', '--svg', paths[1] ?? '', '--csv', paths[2] ?? ''];
    const { code, stdout, stderr } = await lab(['compare', '--workload', trace, '--servers', '2', '--policies', 'fifo,srpt', '--seeds', '3', ...files]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /1 row of .*trace\.csv\.gz left out: line 402 time "NaN"/);
    assert.match(stdout, /^policy +mean resp/);
    assert.match(await readFile(paths[0] ?? '', 'utf8'), /^<!doctype html>[\s\S]*<\/html>\n$/);
    assert.match(await readFile(paths[1] ?? '', 'utf8'), /^<svg xmlns/);
    assert.match(await readFile(paths[2] ?? '', 'utf8'), /^policy,metric,unit,value,ci95\nfifo,/);
  });
});

test('Ctrl-C ends the threads and gives what is done so far', async () => {
  const args = ['compare', '--workload', 'exp?load=0.9', '--policies', 'fifo,sjf', '--seeds', '400', '--jobs', '200000'];
  const { code, stdout, stderr } = await lab(args, { interruptWhen: /: (?!1 of)\d+ of 800 runs, about/ });
  assert.equal(code, 130, stderr);
  assert.match(stderr, /interrupted: the figures are those of \d+ runs? of fifo, \d+ runs? of sjf/);
  assert.match(stdout, /fifo +\d/);
});

test('a load of one or more, an unknown policy, a bad option and a damaged file say so', async () => {
  const unstable = await lab(['compare', '--workload', 'exp?load=1.2', '--policies', 'fifo', '--seeds', '1', '--jobs', '2000']);
  assert.equal(unstable.code, 0);
  assert.match(unstable.stderr, /load is 1\.200 per worker, which is unstable/);
  for (const [args, message] of [
    [['--policies', 'fifo,best'], /no queue policy "best"/],
    [['--policies', 'time-slice?slice=1ms'], /no option "slice"/],
    [['--workload', 'exp?load=-1'], /load must be a number above 0/],
    [['--workload', 'nowhere.csv'], /Cannot read "nowhere\.csv"/],
  ] as const) {
    const { code, stderr } = await lab(['compare', ...args]);
    assert.ok(code === 2 || code === 1, `${code} ${stderr}`);
    assert.match(stderr, message);
  }
  await withFolder(async (folder) => {
    const path = join(folder, 'cut.csv.gz');
    await writeFile(path, gzipSync('at,size\n1,2\n2,3\n').subarray(0, 20));
    const { code, stderr } = await lab(['compare', '--workload', path]);
    assert.equal(code, 1);
    assert.match(stderr, /the gz data is damaged or cut off/);
  });
});
