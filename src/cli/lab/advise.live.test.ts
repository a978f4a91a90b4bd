import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

const MAIN = join(import.meta.dirname, 'main.ts');
let folder = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haven-advise-'));
});
after(async () => {
  await rm(folder, { recursive: true, force: true });
});

function lab(...args: readonly string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, 'lab', ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const workload = ['--workload', 'h2?scv=10&load=0.8', '--servers', '2', '--jobs', '3000', '--tenants', 'a,b'];

test('a recorded log is advised on, the advice kept, and compared with what came after the change', async () => {
  const [log, saved, next] = ['log.jsonl', 'prediction.json', 'next.jsonl'].map((name) => join(folder, name)) as [string, string, string];
  assert.equal((await lab('record', log, '--policy', 'fifo', ...workload)).code, 0);
  const advice = await lab('advise', log, '--policies', 'time-slice?quantum=500ms,las?quantum=500ms', '--resamples', '8', '--save', saved, '--json');
  assert.equal(advice.code, 0, advice.stderr);
  const { advice: policy, counterArguments, resamples, calibration } = JSON.parse(advice.stdout);
  assert.match(policy, /^(?:time-slice|las)\?quantum=500ms$/);
  assert.equal(counterArguments.length, 2);
  assert.equal(resamples, 8);
  assert.ok(calibration.worst < 0.001);
  assert.equal((await lab('record', next, '--policy', policy, ...workload, '--seed', '2')).code, 0);
  const recheck = await lab('advise', next, '--recheck', saved);
  assert.equal(recheck.code, 0, recheck.stderr);
  assert.match(recheck.stdout, /mean response .*(?:as predicted|outside)/);
});

test('no advice when the replay misses what was recorded, and the exit code says so', async () => {
  const log = join(folder, 'wrong.jsonl');
  await lab('record', log, '--policy', 'fifo', ...workload);
  const { code, stdout } = await lab('advise', log, '--incumbent', 'sjf');
  assert.equal(code, 1);
  assert.match(stdout, /No advice: replaying sjf misses what was recorded \(.* by \d+ %/);
});

test('a trace, a bad predictor and a log with odd lines are answered in words', async () => {
  const trace = join(folder, 'trace.jsonl');
  await writeFile(trace, Array.from({ length: 60 }, (_, index) => JSON.stringify({ at: index, event: 'arrive', job: `j${index}`, size: 5 })).join('\n'));
  const refused = await lab('advise', trace);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /it is a trace: .* Use haven lab compare/);
  const log = join(folder, 'odd.jsonl');
  await lab('record', log, '--policy', 'fifo', ...workload);
  await writeFile(log, `${await readFile(log, 'utf8')}{"at":99,"event":"finish","job":"nobody"}\nnot json\n`);
  const odd = await lab('advise', log, '--policies', 'sjf', '--resamples', '1', '--quiet');
  assert.match(odd.stderr, /1 row of .*odd\.jsonl left out: line \d+ is not JSON/);
  assert.match(odd.stderr, /1 events of .* tell of finish of a job that did not arrive/);
  assert.equal((await lab('advise', log, '--predictor', 'oracle')).code, 2);
});
