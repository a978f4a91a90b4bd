import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePortBase } from './demo/port-base.ts';

const launcher = fileURLToPath(new URL('../../bin/haven.js', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'haven-start-'));
const home = join(folder, 'home');
const appFolder = join(folder, 'tiny');
const STOPPED_WITHIN_MS = 5_000;
const PATIENCE_MS = 30_000;
const needsScript = { skip: existsSync('/usr/bin/script') ? false : 'needs /usr/bin/script of util-linux' };
let portBase = 0;

const runs: Run[] = [];

/** A command line under way, in a process group of its own as a terminal would make it. */
class Run {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output = '';
  #onOutput = () => {};

  constructor(command: string, args: readonly string[]) {
    const env = { ...process.env, HAVEN_HOME: home, HAVEN_PORT_BASE: String(portBase), TERM: 'xterm-256color', SHELL: '/bin/sh' };
    this.child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
        this.#onOutput();
      });
    }
    const { promise, resolve } = Promise.withResolvers<number | null>();
    this.child.on('close', (code) => {
      resolve(code);
      this.#onOutput();
    });
    this.ended = promise;
    runs.push(this);
  }

  async until(pattern: RegExp): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error(`no ${pattern} in:\n${this.output}`)), PATIENCE_MS);
    this.#onOutput = () => {
      if (pattern.test(this.output)) resolve();
      else if (this.child.exitCode !== null) reject(new Error(`it ended with ${this.child.exitCode} without ${pattern}:\n${this.output}`));
    };
    this.#onOutput();
    await promise.finally(() => clearTimeout(timer));
  }

  /** As Ctrl-C in a terminal: to the whole group. */
  interrupt(): void {
    process.kill(-(this.child.pid as number), 'SIGINT');
  }

  /** Ends the whole group, if anything is left of it. */
  kill(): void {
    try {
      process.kill(-(this.child.pid as number), 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
}

function haven(...args: readonly string[]): Run {
  return new Run(process.execPath, [launcher, ...args]);
}

async function instancesOf(app: string): Promise<readonly { readonly pid: number; readonly restarts: number }[]> {
  const run = haven('ps', app, '--json');
  equal(await run.ended, 0, run.output);
  return JSON.parse(run.output);
}

async function pidsOf(app: string): Promise<readonly number[]> {
  return (await instancesOf(app)).map(({ pid }) => pid);
}

async function restartsOf(app: string): Promise<readonly number[]> {
  return (await instancesOf(app)).map(({ restarts }) => restarts);
}

/** Every process that was started for this home, and those of the instances. */
function leftOf(pids: readonly number[]): readonly string[] {
  const text = (path: string) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      // It ended meanwhile, or is not ours to read.
      return '';
    }
  };
  return (
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => pids.includes(Number(pid)) || text(`/proc/${pid}/environ`).includes(home))
      .map((pid) => ({ pid, command: text(`/proc/${pid}/cmdline`).replaceAll('\0', ' ') }))
      // One without a command line has ended; only its parent, here the machine's first process, has not asked for its exit code yet.
      .flatMap(({ pid, command }) => (command === '' ? [] : [`${pid} ${command}`]))
  );
}

async function expectEnd(run: Run, expected: { readonly code: number; readonly pids: readonly number[]; readonly stop: () => void }): Promise<void> {
  const startedAt = performance.now();
  expected.stop();
  equal(await run.ended, expected.code, run.output);
  const tookMs = performance.now() - startedAt;
  deepEqual(leftOf(expected.pids), []);
  ok(tookMs <= STOPPED_WITHIN_MS, `stopping took ${tookMs} ms`);
}

function writeApp(name: string, run: string): string {
  const service = { run: { process: run }, port: 3000, count: 2, health: '/', update: { minHealthy: '300ms' }, stop: { drain: '1s' } };
  const directory = join(folder, name);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'haven.config.json'), JSON.stringify({ name, web: { ...service, routes: [{ path: `/${name}` }] } }, undefined, 2));
  writeFileSync(
    join(directory, 'web.js'),
    `require('node:http').createServer((request, response) => response.end('fine')).listen(process.env.PORT, process.env.HOST);`,
  );
  return directory;
}

before(async () => {
  portBase = await freePortBase();
  writeApp('tiny', 'node web.js');
});

after(async () => {
  // What a failed test left.
  await haven('down').ended;
  for (const run of runs) run.kill();
  rmSync(folder, { recursive: true, force: true });
});

test('haven start', async (t) => {
  await t.test('tells a mistake in the config before it starts anything, exit 2', async () => {
    const bad = join(folder, 'bad.json');
    writeFileSync(bad, '{\n  "name": "bad",\n  "web": { "rum": {} }\n}\n');
    const run = haven('start', bad);
    equal(await run.ended, 2);
    match(run.output, /bad\.json:3: web\.rum is not a known key; did you mean "run"\?/);
    deepEqual(leftOf([]), []);
  });

  await t.test('without a terminal: addresses and plain lines, few of them; a second one says how to reach the first; Ctrl-C leaves nothing', async () => {
    const run = haven('start', appFolder, '--nodes', '2');
    await run.until(/2 of 2 nodes ready · tiny running, 2 of 2 healthy/);
    match(run.output, new RegExp(`apps {5}http://127\\.0\\.0\\.1:${portBase + 80}\nmetrics  http://127\\.0\\.0\\.1:${portBase + 81}/metrics\n`));
    equal(run.output.includes('\u001b'), false);
    const url = `http://127.0.0.1:${portBase + 80}`;
    equal(await (await fetch(`${url}/tiny`)).text(), 'fine');

    const second = haven('start');
    equal(await second.ended, 6);
    match(second.output, /already running here \(pid \d+, /);
    ok(second.output.includes(`apps at ${url}, API at http://127.0.0.1:${portBase}`), second.output);
    match(second.output, /Next: "haven status" to see it, "haven down" to stop it/);

    const before = run.output.length;
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    const said = run.output.slice(before);
    ok(said.split('\n').length <= 4, `it said too much:\n${said}`);
    await expectEnd(run, { code: 0, pids: await pidsOf('tiny'), stop: () => run.interrupt() });
    match(run.output, /Haven is down after \d\.\d s/);
  });

  await t.test('apps that exist come back, the example is not forced upon them; SIGTERM to the launcher alone leaves nothing', async () => {
    const run = haven('start');
    await run.until(/2 of 2 nodes ready · tiny running, 2 of 2 healthy/);
    match(run.output, /Here are tiny already; the example is not deployed/);
    equal(await (await fetch(`http://127.0.0.1:${portBase + 80}/tiny`)).text(), 'fine');
    const pids = await pidsOf('tiny');
    equal(pids.length, 2);
    deepEqual(await restartsOf('tiny'), [0, 0], 'that Haven was down is no failure of theirs');
    await expectEnd(run, { code: 0, pids, stop: () => run.child.kill('SIGTERM') });
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    await t.test(`npm start: ${signal} to npm alone ends all it started`, async () => {
      const run = new Run('npm', ['start', '--prefix', root, '--', appFolder]);
      await run.until(/2 of 2 nodes ready · tiny running, 2 of 2 healthy/);
      await expectEnd(run, { code: 0, pids: await pidsOf('tiny'), stop: () => run.child.kill(signal) });
      match(run.output, /Haven is down after \d\.\d s/);
    });
  }

  await t.test('an app that cannot start: the cause, Haven stays up to look at it, and the exit code is that of the deploy', async () => {
    const run = haven('start', writeApp('broken', 'node missing.js'));
    await run.until(/nodes ready · .*broken/);
    match(run.output, /Release 1 of broken failed: .*exited with code 1/);
    match(run.output, /\| .*Cannot find module/);
    match(run.output, /Haven stays up, so that you can look: haven why broken/);
    equal(await (await fetch(`http://127.0.0.1:${portBase + 80}/tiny`)).text(), 'fine');
    const removed = haven('rm', 'broken', '--yes');
    equal(await removed.ended, 0, removed.output);
    await expectEnd(run, { code: 1, pids: await pidsOf('tiny'), stop: () => run.interrupt() });
  });

  await t.test('npm start in a terminal: a screen that is drawn again in place, until Ctrl-C', needsScript, async () => {
    // Without "exec" the shell may stay in between, and one that got the Ctrl-C too ends with 130 whatever the command's own exit code.
    const run = new Run('/usr/bin/script', ['-qec', `exec npm start --prefix '${root}' -- '${appFolder}'`, '/dev/null']);
    await run.until(/REQUESTS\/S/);
    for (let request = 0; request < 20; request++) await (await fetch(`http://127.0.0.1:${portBase + 80}/tiny`)).text();
    // Figures of the requests, in a picture that was drawn over the one before.
    await run.until(/\/tiny[^\n]*tiny\/web[^\n]* ms[^\n]* ms[^\n]* ms {2,}0/);
    await run.until(/Nothing needs attention/);
    for (const part of ['NODE', 'worker-1', 'web.2', 'P50', 'P95', 'P99', 'ERRORS', 'Nothing needs attention', 'Ctrl-C stops Haven'])
      ok(run.output.includes(part), `${part} is not in:\n${run.output}`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the codes that move the cursor back up are what is looked for.
    await run.until(/Ctrl-C stops Haven(?:[\s\S]*\u001b\[\d+A\r){2}/);
    const pids = await pidsOf('tiny');
    await expectEnd(run, { code: 0, pids, stop: () => run.child.stdin?.write('\u0003') });
    ok(run.output.includes('\u001b[?25h'), 'the cursor is back');
  });
});
