import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const MAIN = join(import.meta.dirname, 'main.ts');
const PAGES = join(import.meta.dirname, '../../../docs/experiments');

function lab(...args: readonly string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, 'lab', ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

test('a page that is made again is the page that is kept, byte by byte', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'haven-run-'));
  try {
    const { code, stderr } = await lab('run', 'three-tenants', '--out', folder);
    assert.equal(code, 0, stderr);
    for (const name of await readdir(folder)) assert.equal(await readFile(join(folder, name), 'utf8'), await readFile(join(PAGES, name), 'utf8'), name);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('experiments are listed; an unknown one and missing data are explained', async () => {
  const list = await lab('run');
  assert.equal(list.code, 0);
  assert.match(list.stdout, /three-algorithms[\s\S]*where-each-loses/);
  const unknown = await lab('run', 'everything');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no such experiment; there are three-algorithms/);
  const bare = await lab('run', 'llm-requests');
  assert.equal(bare.code, 2);
  assert.match(bare.stderr, /give --data FOLDER with AzureLLMInferenceTrace_conv\.csv/);
});

test('capacity finds the workers a target needs, and says when none do', async () => {
  const args = ['capacity', '--arrivals', 'poisson?rate=9', '--sizes', 'exp?mean=1', '--jobs', '20000', '--seeds', '3', '--json'];
  const found = await lab(...args, '--target', 'p99_wait<=1s');
  assert.equal(found.code, 0, found.stderr);
  const answer = JSON.parse(found.stdout);
  // Erlang C: with 13 workers 1 % wait longer than 0.69 s, with 12 longer than 1.09 s.
  assert.ok(answer.bracket[0] <= 13 && answer.bracket[1] >= 12 && answer.workers <= 14, JSON.stringify(answer.bracket));
  const never = await lab(...args, '--target', 'p99_response<=1s');
  assert.equal(never.code, 1);
  assert.equal(JSON.parse(never.stdout).isFloor, true);
  assert.match((await lab('capacity', '--target', 'quick')).stderr, /must be such as p99_response<=2s/);
});
