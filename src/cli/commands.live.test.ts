import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePortBase } from './demo/port-base.ts';

const launcher = fileURLToPath(new URL('../../bin/haven.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'haven-cli-live-'));
const appFolder = join(folder, 'app');
let portBase = 0;

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[]): ChildProcess {
  const env = { ...process.env, HAVEN_HOME: join(folder, 'home'), HAVEN_PORT_BASE: String(portBase), NO_COLOR: '1' };
  return spawn(process.execPath, [launcher, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Runs one command line to its end; `until` ends it with Ctrl-C as soon as its output matches. */
async function haven(args: readonly string[], options: { readonly stdin?: string; readonly until?: RegExp } = {}): Promise<Run> {
  const child = start(args);
  child.stdin?.end(options.stdin ?? '');
  const output = { stdout: '', stderr: '' };
  let isStopped = false;
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
      // A second one would end it at once.
      if (!isStopped && options.until?.test(output.stdout + output.stderr)) isStopped = child.kill('SIGINT');
    });
  }
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.on('close', resolve);
  return { code: await promise, ...output };
}

/** What is offered after these words. On a machine that is busy a completion may give up before the cluster has answered: it is asked again then. */
async function completion(...words: readonly string[]): Promise<string> {
  for (let tries = 1; ; tries++) {
    const { stdout } = await haven(['__complete', ...words]);
    if (stdout !== '' || tries === 20) return stdout;
  }
}

const lines = (text: string): readonly Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

function writeApp(web: Readonly<Record<string, unknown>>, name = 'shop'): void {
  const service = {
    run: { process: 'node web.js' },
    port: 3000,
    health: '/',
    update: { minHealthy: '500ms' },
    stop: { drain: '2s', kill: '2s' },
    routes: [{ path: '/' }],
  };
  writeFileSync(join(appFolder, 'haven.config.json'), JSON.stringify({ name, web: { ...service, ...web } }, undefined, 2));
}

before(async () => {
  portBase = await freePortBase();
  mkdirSync(appFolder);
  writeFileSync(
    join(appFolder, 'web.js'),
    `const { createServer } = require('node:http');
if (process.env.BROKEN) { console.log('about to fail'); throw new Error('this one is broken'); }
createServer((request, response) => response.end(process.env.GREETING ?? 'hello')).listen(process.env.PORT, process.env.HOST, () => console.log('listening'));`,
  );
  writeApp({ count: 2 });
  const up = await haven(['up', '--json']);
  equal(up.code, 0, up.stderr);
});

after(async () => {
  const down = await haven(['down']);
  rmSync(folder, { recursive: true, force: true });
  equal(down.code, 0, down.stderr);
});

test('the life of an app by the command line', async (t) => {
  await t.test('pool create waits for its nodes', async () => {
    const { code, stdout, stderr } = await haven(['pool', 'create', 'worker', '--nodes', '2', '--json']);
    equal(code, 0, stderr);
    equal(lines(stdout)[0]?.['readyNodes'], 2);
    const nodes = JSON.parse((await haven(['node', 'ls', '--json'])).stdout);
    deepEqual(
      nodes.map(({ name, condition }: Record<string, string>) => [name, condition]),
      [
        ['worker-1', 'ready'],
        ['worker-2', 'ready'],
      ],
    );
  });

  await t.test('plan tells of changes by its exit code and changes nothing', async () => {
    equal((await haven(['plan', appFolder, '--exit-code'])).code, 10);
    deepEqual(JSON.parse((await haven(['ps', '--json'])).stdout), []);
  });

  await t.test('deploy ends with the address, which answers', async () => {
    const { code, stdout, stderr } = await haven(['deploy', appFolder]);
    equal(code, 0, stderr);
    match(stderr, /\[2\/2\] web\.2 on worker-\d: (running|healthy)/);
    equal(stdout, `http://127.0.0.1:${portBase + 80}/\n`);
    equal(await (await fetch(stdout.trim())).text(), 'hello');
    equal((await haven(['plan', appFolder, '--exit-code'])).code, 0);
  });

  await t.test('deploying the same again changes nothing, exit 0, and says so', async () => {
    const { code, stderr } = await haven(['deploy', appFolder]);
    equal(code, 0);
    match(stderr, /Nothing to change/);
  });

  await t.test('a deploy for programs is lines of JSON, the last of which is the result', async () => {
    const { code, stdout, stderr } = await haven(['deploy', appFolder, '--set', 'GREETING=good day', '--json']);
    equal(code, 0, stderr);
    equal(stderr, '');
    const events = lines(stdout);
    equal(events[0]?.['kind'], 'accepted');
    deepEqual([events.at(-1)?.['kind'], events.at(-1)?.['outcome'], events.at(-1)?.['runs']], ['result', 'stable', 2]);
    equal(await (await fetch(`http://127.0.0.1:${portBase + 80}/`)).text(), 'good day');
  });

  await t.test('a release that cannot start is rolled back, exit 4, with the cause and the last output', async () => {
    const { code, stderr } = await haven(['deploy', appFolder, '--set', 'BROKEN=1']);
    equal(code, 4, stderr);
    match(stderr, /Release 3 of shop failed and was rolled back: .*web\.\d/);
    match(stderr, /\| about to fail/);
    match(stderr, /this one is broken/);
    match(stderr, /Release 2 of shop runs/);
    equal(await (await fetch(`http://127.0.0.1:${portBase + 80}/`)).text(), 'good day');
  });

  await t.test('Ctrl-C detaches from a deploy, which goes on, exit 130 (R9)', async () => {
    const { code, stderr } = await haven(['deploy', appFolder, '--set', 'GREETING=detached'], { until: /web\.1 on .*(pending|starting)/ });
    equal(code, 130);
    match(stderr, /the deploy goes on/);
    equal((await haven(['deploy', appFolder, '--set', 'GREETING=detached'])).code, 0);
    equal(await (await fetch(`http://127.0.0.1:${portBase + 80}/`)).text(), 'detached');
  });

  await t.test('a deploy that is not over in time is exit 5 and goes on', async () => {
    const { code, stderr } = await haven(['deploy', appFolder, '--set', 'GREETING=late', '--timeout', '100ms']);
    equal(code, 5);
    match(stderr, /it goes on/);
    equal((await haven(['deploy', appFolder, '--set', 'GREETING=late'])).code, 0);
  });

  await t.test('a deploy at another revision is a conflict, exit 6', async () => {
    equal((await haven(['deploy', appFolder, '--set', 'A=1', '--if-revision', '1'])).code, 6);
  });

  await t.test('scale waits until the instances run, and says why when no node takes them', async () => {
    const { code, stdout } = await haven(['scale', 'shop/web=3', '--json']);
    equal(code, 0);
    equal(JSON.parse(stdout)[0].running, 3);
    equal(JSON.parse((await haven(['ps', 'shop/web', '--json'])).stdout).length, 3);
  });

  await t.test('logs show each instance by its name, and following ends well with Ctrl-C', async () => {
    const { code, stdout } = await haven(['logs', 'shop', '-f', '--tail', '1'], { until: /web\.1 [^\n]*\n/ });
    equal(code, 0);
    match(stdout, /web\.\d \| listening/);
  });

  await t.test('exec prints each line of the command as one, and ends with its exit code', async () => {
    const script = 'console.log(process.env.GREETING); console.log("second"); process.stdout.write("last"); process.exit(7)';
    const { code, stdout } = await haven(['exec', 'shop/web.1', '--', 'node', '-e', script]);
    deepEqual([code, stdout], [7, 'late\nsecond\nlast\n']);
  });

  await t.test('restart replaces an instance by a new one of the same name and release', async () => {
    const webOne = async () => JSON.parse((await haven(['ps', 'shop', '--json'])).stdout).find(({ name }: Record<string, string>) => name === 'web.1');
    const before = await webOne();
    const { code, stderr } = await haven(['restart', 'shop/web.1', '--json']);
    equal(code, 0, stderr);
    const after = await webOne();
    deepEqual([after.name, after.release, after.state, after.id === before.id], ['web.1', before.release, 'healthy', false]);
  });

  await t.test('restart in place starts a new attempt of the same instance', async () => {
    const { code, stdout, stderr } = await haven(['restart', 'shop/web.1', '--in-place', '--json']);
    equal(code, 0, stderr);
    equal(JSON.parse(stdout)[0].attempt, 2);
    match((await haven(['why', 'shop/web.1'])).stdout, /Attempt 1 is over, so it was started again: restarted by the operator/);
    match((await haven(['ps', 'shop'])).stdout, /shop\/web\.1 .* healthy/);
  });

  await t.test('a secret comes from stdin and is listed by its name only', async () => {
    equal((await haven(['secret', 'set', 'DATABASE_PASSWORD'], { stdin: 's3cret\n' })).code, 0);
    const { stdout } = await haven(['secret', 'ls', '--json']);
    deepEqual(
      JSON.parse(stdout).map(({ name }: Record<string, string>) => name),
      ['DATABASE_PASSWORD'],
    );
    equal(stdout.includes('s3cret'), false);
    equal((await haven(['secret', 'rm', 'DATABASE_PASSWORD'])).code, 0);
  });

  await t.test('a drained node ends up empty', async () => {
    const { code, stderr } = await haven(['node', 'drain', 'worker-1', '--deadline', '60s']);
    equal(code, 0, stderr);
    const nodes = JSON.parse((await haven(['node', 'ls', '--json'])).stdout);
    deepEqual(
      nodes.map(({ instances }: Record<string, number>) => instances),
      [0, 3],
    );
    equal((await haven(['node', 'undrain', 'worker-1'])).code, 0);
  });

  await t.test('status, why and events tell of all this', async () => {
    const { stdout } = await haven(['status']);
    match(stdout, /shop +running/);
    match(stdout, /worker-1 +worker +ready/);
    match((await haven(['why', 'shop'])).stdout, /^app\/shop: running/);
    match((await haven(['events', 'shop'])).stdout, /app\/shop/);
    equal((await haven(['why', 'nobody'])).code, 1);
    const { code, stdout: watched } = await haven(['status', '--watch', '--json', '--interval', '200ms'], { until: /\n.*\n/ });
    equal(code, 0);
    ok(lines(watched).length >= 2);
  });

  await t.test('completion offers live names', async () => {
    equal(await completion('logs', 'shop/web.'), 'shop/web.1\nshop/web.2\nshop/web.3\n');
    equal(await completion('node', 'drain', ''), 'worker-1\nworker-2\n');
  });

  await t.test('rollback repeats an earlier release', async () => {
    const { code, stderr } = await haven(['rollback', 'shop', '--to', '1']);
    equal(code, 0, stderr);
    equal(await (await fetch(`http://127.0.0.1:${portBase + 80}/`)).text(), 'hello');
  });

  await t.test('a deploy that no node can take is exit 3 and says why; over a release that runs it is rolled back', async () => {
    const resources = { cpu: 500, memory: '64Mi' };
    writeApp({ count: 1, resources });
    const again = await haven(['deploy', appFolder]);
    equal(again.code, 4, again.stderr);
    match(again.stderr, /needs 500 cores/);
    writeApp({ count: 1, resources, routes: [{ path: '/giant' }] }, 'giant');
    const first = await haven(['deploy', appFolder]);
    equal(first.code, 3, first.stderr);
    match(first.stderr, /needs 500 cores/);
    equal((await haven(['rm', 'giant', '--yes'])).code, 0);
  });

  await t.test('doctor finds the cluster in order', async () => {
    const { code, stdout } = await haven(['doctor', '--json']);
    const { findings } = JSON.parse(stdout);
    equal(code, 0, stdout);
    const verdict = (name: string) => findings.find(({ check }: Record<string, string>) => check === name)?.verdict;
    deepEqual(['API', 'leader', 'nodes', 'gateway-1', 'token'].map(verdict), ['ok', 'ok', 'ok', 'ok', 'ok']);
  });

  await t.test('the token is for its owner only', () => {
    ok(readFileSync(join(folder, 'home', 'token'), 'utf8').length > 20);
  });

  await t.test('rm asks first, and with --yes leaves nothing', async () => {
    equal((await haven(['rm', 'shop'])).code, 2);
    equal((await haven(['rm', 'shop', '--yes'])).code, 0);
    deepEqual(JSON.parse((await haven(['ps', '--json'])).stdout), []);
    equal((await haven(['rm', 'shop', '--yes'])).code, 1);
  });
});
