import { fork } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { FailoverBackend } from './failover-backends.ts';
import { CASES, type FailoverCase, HARD_CASES } from './failover-cases.ts';
import { type Figures, figuresOf, outcomesOf } from './failover-figures.ts';
import { type FailoverProxy, type StartProxy, startHaven, startTunedHaproxy, startTunedNginx } from './failover-proxies.ts';
import { type TunnelFigures, Tunnels } from './failover-tunnels.ts';
import { benchOptions, misused } from './options.ts';

const help = `What clients see while backends fail: the gateway as it is installed beside nginx and HAProxy tuned for it.

  node bench/gateway-failover.ts [--cases WORDS] [--proxies haven,nginx,haproxy] [--rounds 3] [--write]

WORDS by comma: parts of the names of ${[...CASES, ...HARD_CASES].map(({ name }) => name).join(', ')}.
--rounds of the hard cases. --write puts what was measured into docs/benchmarks/gateway-failover.md. All of it takes about half an hour.`;

const proxies: Readonly<Record<string, StartProxy>> = { haven: startHaven, nginx: startTunedNginx, haproxy: startTunedHaproxy };
const loadEntry = join(import.meta.dirname, 'failover-load.ts');
const docs = join(import.meta.dirname, '../docs/benchmarks/gateway-failover.md');
const basePort = 18_100;
/** Of load that is not counted: four programs are compiled in it. */
const warmupSeconds = 4;

interface Measured {
  readonly proxy: string;
  readonly figures: Figures;
  readonly tunnels: TunnelFigures | undefined;
  /** What the machine had to do beside, as the kernel's load average of a minute. */
  readonly load: number;
}

async function measure(one: FailoverCase, proxyName: string): Promise<Measured> {
  const directory = await mkdtemp(join(tmpdir(), 'haven-failover-run-'));
  const backends = [1, 2, 3].map((number) => new FailoverBackend(`web-${number}`, basePort + 10 + number, directory));
  const victim = backends[1] as FailoverBackend;
  const [beforeSeconds, faultSeconds, afterSeconds] = one.seconds;
  const tunnels = new Tunnels();
  let proxy: FailoverProxy | undefined;
  try {
    await Promise.all(backends.map(async (backend) => await backend.start()));
    const start = proxies[proxyName] as StartProxy;
    proxy = await start({ port: basePort, backends: backends.map(({ port }) => port), ...(one.balance === undefined ? {} : { balance: one.balance }) });
    await sleep(2_500);
    if (one.tunnels !== undefined) await tunnels.open(proxy.port, one.tunnels);
    const load = runLoad(one, proxy, join(directory, 'outcomes'));
    await sleep((warmupSeconds + beforeSeconds) * 1_000);
    const from = Date.now();
    await one.begin(victim, backends, proxy);
    await sleep(faultSeconds * 1_000);
    const until = Date.now();
    await one.end(victim, backends);
    await sleep(afterSeconds * 1_000);
    const outcomes = outcomesOf(await load).filter(({ dueAt }) => dueAt >= from - beforeSeconds * 1_000);
    const seen = await Promise.all(backends.map(async (backend) => await backend.seen()));
    const arrivals = seen[1]?.arrivals ?? [];
    const figures = figuresOf({ outcomes, posts: seen.flatMap(({ posts }) => posts), arrivals, fault: { from, until } });
    return { proxy: proxyName, figures, tunnels: one.tunnels === undefined ? undefined : await tunnels.figures(), load: loadavg()[0] ?? 0 };
  } finally {
    tunnels.close();
    await proxy?.[Symbol.asyncDispose]();
    await Promise.all(backends.map(async (backend) => await backend.kill()));
    await rm(directory, { recursive: true, force: true });
  }
}

/** The load in a process of its own; resolves to its outcomes. */
async function runLoad(one: FailoverCase, proxy: FailoverProxy, out: string): Promise<string> {
  const env = {
    ...process.env,
    PORT: String(proxy.port),
    RATE: String(one.ratePerSecond),
    SECONDS: String(one.seconds.reduce((sum, seconds) => sum + seconds, warmupSeconds)),
    POST_SHARE: String(one.postShare),
    OUT: out,
    RUN: `${proxy.name}-${Date.now()}`,
    ...(one.burst === undefined ? {} : { BURST: String(one.burst.count), BURST_EVERY_MS: String(one.burst.everyMs) }),
  };
  const child = fork(loadEntry, [], { execArgv: [], env });
  const ended = Promise.withResolvers<void>();
  child.once('exit', (code) => (code === 0 ? ended.resolve() : ended.reject(new Error(`the load ended with ${code}`))));
  await ended.promise;
  return await readFile(out, 'utf8');
}

async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

function row(one: FailoverCase, { proxy, figures, tunnels }: Measured): string {
  const seconds = (ms: number | undefined) => (ms === undefined ? 'not in the run' : `${(ms / 1_000).toFixed(2)} s`);
  const { requests, failedGets, failedPosts, doubled, p99Ms, worstMs, outAfterMs, backAfterMs } = figures;
  const isFault = one.burst === undefined && one.tunnels === undefined;
  const cells = [
    one.name,
    proxy,
    String(requests),
    String(failedGets),
    String(failedPosts),
    String(doubled),
    `${p99Ms.toFixed(0)} ms`,
    `${worstMs.toFixed(0)} ms`,
    isFault ? seconds(outAfterMs) : '–',
    isFault ? seconds(backAfterMs) : '–',
    tunnels === undefined ? '' : `${tunnels.alive} of ${tunnels.opened} open, ${tunnels.closed} closed in order, ${tunnels.cut} cut`,
  ];
  return `| ${cells.join(' | ')} |`;
}

const HEADER = `| case | proxy | requests | failed GETs | failed POSTs | done twice | p99 | worst | out after | back after | WebSockets |
|---|---|---|---|---|---|---|---|---|---|---|`;

async function runCases(cases: readonly FailoverCase[], names: readonly string[], rounds: number): Promise<readonly string[]> {
  const rows: string[] = [];
  for (const one of cases) {
    for (let round = 0; round < rounds; round++) {
      for (const name of names) {
        const measured = await measure(one, name);
        rows.push(row(one, measured));
        process.stdout.write(`${rows.at(-1)}  load ${measured.load.toFixed(1)}\n`);
        for (const failure of measured.figures.failures) process.stdout.write(`    ${failure}\n`);
      }
    }
  }
  return rows;
}

const options = benchOptions(help, {
  cases: { type: 'string', default: '' },
  proxies: { type: 'string', default: Object.keys(proxies).join(',') },
  rounds: { type: 'string', default: '3' },
  write: { type: 'boolean', default: false },
});
const wanted = options.cases.split(',');
const chosen = (cases: readonly FailoverCase[]) => cases.filter(({ name }) => wanted.some((word) => name.includes(word)));
const names = options.proxies.split(',');
const unknown = names.filter((name) => !Object.hasOwn(proxies, name));
if (unknown.length > 0) misused(`There are no proxies ${unknown.join(', ')}`, help);
if (chosen([...CASES, ...HARD_CASES]).length === 0) misused(`There is no case with ${wanted.join(' or ')} in its name`, help);
process.stdout.write(`${HEADER}\n`);
const matrix = await runCases(chosen(CASES), names, 1);
const hard = await runCases(chosen(HARD_CASES), names.includes('haven') ? ['haven'] : [], Number(options.rounds));
if (options.write) {
  let text = await readFile(docs, 'utf8');
  text = withRows(text, 'matrix', CASES, matrix);
  await writeFile(docs, withRows(text, 'hard', HARD_CASES, hard));
}

/** The docs with these rows in the place of those of the same case and proxy, which a run may have measured one after the other. */
function withRows(text: string, title: string, cases: readonly FailoverCase[], rows: readonly string[]): string {
  if (rows.length === 0) return text;
  const section = new RegExp(`<!-- ${title} -->\\n([\\s\\S]*?)<!-- end -->`);
  const keyOf = (line: string) => line.split(' | ').slice(0, 2).join(' | ').slice(2);
  const keys = cases.flatMap(({ name }) => Object.keys(proxies).map((proxy) => `${name} | ${proxy}`));
  const measured = new Set(rows.map(keyOf));
  const kept = (section.exec(text)?.[1] ?? '').split('\n').filter((line) => keys.includes(keyOf(line)) && !measured.has(keyOf(line)));
  const ordered = keys.flatMap((key) => [...kept, ...rows].filter((line) => keyOf(line) === key));
  const when = `${new Date().toISOString().slice(0, 10)}, ${availableParallelism()} cores of ${cpus()[0]?.model ?? 'unknown'}, Node ${process.versions.node}.`;
  return text.replace(section, () => `<!-- ${title} -->\n${when}\n\n${HEADER}\n${ordered.join('\n')}\n<!-- end -->`);
}
