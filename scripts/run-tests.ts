// Runs the tests: `node scripts/run-tests.ts unit|live|all [--limit-seconds=N] [--node-option…] [part of a path…]`.
// Unit tests share one process. Each live test has a process of its own, because it owns ports, folders and children.
import { type ChildProcess, spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { addTallies, emptyTally, readTally, type Tally } from './tally.ts';

const oldestNodeMajor = 24;
// Against tests that hang, not against slow ones: a busy machine stretches what takes a second alone.
const unitTestTimeoutMs = 120_000;
const unitRunLimitMs = 900_000;
const liveTestTimeoutMs = 240_000;
const liveFileLimitMs = 480_000;
const killAfterMs = 5_000;
const drainAfterExitMs = 1_000;
const keptOutputCharacters = 1_000_000;

const FOLDERS = ['src', 'sdk', 'tools', 'scripts', 'examples'];
const root = join(import.meta.dirname, '..');

interface Options {
  readonly kinds: readonly ('unit' | 'live')[];
  readonly filters: readonly string[];
  readonly nodeOptions: readonly string[];
  readonly limitMs: number | undefined;
}

interface Run {
  readonly tally: Tally;
  readonly output: string;
  readonly durationMs: number;
}

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  if (Number.parseInt(process.versions.node, 10) < oldestNodeMajor) {
    process.stderr.write(`Cannot run the tests under Node ${process.versions.node}: run "npm ci", then "npm test", which brings Node ${oldestNodeMajor}\n`);
    return 1;
  }
  const options = parse(args);
  if (options === undefined) {
    process.stderr.write('Usage: node scripts/run-tests.ts unit|live|all [--limit-seconds=N] [--node-option…] [part of a path…]\n');
    return 1;
  }
  let total = emptyTally;
  let files = 0;
  for (const kind of options.kinds) {
    const paths = testFiles(kind, options.filters);
    files += paths.length;
    if (paths.length === 0) continue;
    total = addTallies(total, kind === 'unit' ? await runUnit(paths, options) : await runLive(paths, options));
  }
  if (files === 0) {
    process.stderr.write(
      `Found no file of ${options.kinds.join(' or ')} tests${options.filters.map((filter) => ` with "${filter}" in its path`).join(' or')}\n`,
    );
    return 1;
  }
  printSummary(total);
  return total.failed === 0 ? 0 : 1;
}

function parse(args: readonly string[]): Options | undefined {
  const [mode, ...rest] = args;
  if (mode !== 'unit' && mode !== 'live' && mode !== 'all') return undefined;
  const limit = rest.find((arg) => arg.startsWith('--limit-seconds='));
  return {
    kinds: mode === 'all' ? ['unit', 'live'] : [mode],
    filters: rest.filter((arg) => !arg.startsWith('-')).map((arg) => arg.replace(/^\.\//, '')),
    nodeOptions: rest.filter((arg) => arg.startsWith('-') && arg !== limit),
    limitMs: limit === undefined ? undefined : Number(limit.split('=')[1]) * 1_000,
  };
}

function testFiles(kind: 'unit' | 'live', filters: readonly string[]): readonly string[] {
  const patterns = FOLDERS.map((folder) => `${folder}/**/*.test.ts`);
  const paths = globSync(patterns, { cwd: root, exclude: (name) => name === 'node_modules' || name === 'dist' });
  return paths
    .filter((path) => path.endsWith('.live.test.ts') === (kind === 'live'))
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
    .sort();
}

async function runUnit(paths: readonly string[], options: Options): Promise<Tally> {
  process.stdout.write(`${paths.length} files of unit tests\n`);
  const { tally } = await runNode(paths, { ...options, echo: true, testTimeoutMs: unitTestTimeoutMs, limitMs: options.limitMs ?? unitRunLimitMs });
  return tally;
}

async function runLive(paths: readonly string[], options: Options): Promise<Tally> {
  process.stdout.write(`${paths.length} files of live tests, one after another\n`);
  let total = emptyTally;
  for (const [index, path] of paths.entries()) {
    const run = await runNode([path], { ...options, echo: false, testTimeoutMs: liveTestTimeoutMs, limitMs: options.limitMs ?? liveFileLimitMs });
    const { passed, failed, skipped } = run.tally;
    const mark = failed > 0 ? styleText('red', '✖') : skipped.length > 0 ? styleText('yellow', '﹣') : styleText('green', '✔');
    const counts = `${passed} passed, ${failed} failed, ${skipped.length} skipped`;
    process.stdout.write(`${mark} [${index + 1}/${paths.length}] ${path}: ${counts}, ${(run.durationMs / 1_000).toFixed(1)} s\n`);
    if (failed > 0) process.stdout.write(`${run.output.trimEnd().replace(/^/gm, '    ')}\n`);
    total = addTallies(total, run.tally);
  }
  return total;
}

/** Runs the files in one Node process with a limit on its whole life; what it never reported counts as one failure. */
async function runNode(
  paths: readonly string[],
  {
    nodeOptions,
    echo,
    testTimeoutMs,
    limitMs,
  }: { readonly nodeOptions: readonly string[]; readonly echo: boolean; readonly testTimeoutMs: number; readonly limitMs: number },
): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'haven-tests-'));
  const report = join(folder, 'report.tap');
  const args = ['--test', '--test-isolation=none', `--test-timeout=${testTimeoutMs}`, '--test-reporter=spec', '--test-reporter-destination=stdout'];
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...args, '--test-reporter=tap', `--test-reporter-destination=${report}`, ...nodeOptions, ...paths], {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      if (echo) process.stdout.write(chunk);
      else output = (output + chunk).slice(-keptOutputCharacters);
    });
  }
  const { code, timedOut } = await endOf(child, { limitMs, onInterrupt: () => rmSync(folder, { recursive: true, force: true }) });
  const problem = timedOut ? `did not end in ${limitMs / 1_000} s` : code === 0 ? undefined : `ended with ${code === undefined ? 'a signal' : `code ${code}`}`;
  const tally = readTally(readReport(report), { label: paths.length === 1 ? (paths[0] ?? '') : 'the unit tests', problem, files: paths });
  rmSync(folder, { recursive: true, force: true });
  return { tally, output, durationMs: performance.now() - startedAt };
}

/** Waits for the child with a limit on its life, and leaves nothing of its process group behind. */
async function endOf(
  child: ChildProcess,
  { limitMs, onInterrupt }: { readonly limitMs: number; readonly onInterrupt: () => void },
): Promise<{ readonly code: number | undefined; readonly timedOut: boolean }> {
  const interrupt = (signal: NodeJS.Signals): void => {
    signalGroup(child, signal);
    onInterrupt();
    process.exit(1);
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  let timedOut = false;
  const limit = setTimeout(() => {
    timedOut = true;
    signalGroup(child, 'SIGTERM');
    setTimeout(() => signalGroup(child, 'SIGKILL'), killAfterMs).unref();
  }, limitMs);
  const code = await new Promise<number | undefined>((resolve) => {
    let exitCode: number | undefined;
    child.on('error', () => resolve(undefined));
    child.on('exit', (ended) => {
      exitCode = ended ?? undefined;
      signalGroup(child, 'SIGKILL');
      // Something in a group of its own may still hold the pipes: what it says is not awaited for ever.
      setTimeout(() => resolve(exitCode), drainAfterExitMs).unref();
    });
    child.on('close', () => resolve(exitCode));
  });
  clearTimeout(limit);
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  child.stdout?.destroy();
  child.stderr?.destroy();
  return { code, timedOut };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // The group has ended by itself.
  }
}

function readReport(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function printSummary({ passed, failed, skipped, failures }: Tally): void {
  const list = (title: string, rows: readonly string[]): string => (rows.length === 0 ? '' : `${title}:\n${rows.map((row) => `  ${row}\n`).join('')}`);
  process.stdout.write(`\n${list('Skipped', skipped)}${list('Failed', failures)}${passed} passed, ${failed} failed, ${skipped.length} skipped\n`);
}
