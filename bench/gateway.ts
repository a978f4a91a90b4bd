import { execFileSync } from 'node:child_process';
import { CASES, type Case } from './gateway-cases.ts';
import type { Measured } from './gateway-load.ts';
import { CORES, loadText, machineText, missingPrograms } from './gateway-machine.ts';
import type { Peer } from './gateway-peers.ts';
import { Programs } from './gateway-programs.ts';
import { type CaseResult, printCase, summarize, writePage } from './gateway-report.ts';
import { benchOptions, misused } from './options.ts';

const help = `The gateway beside nginx, HAProxy, Caddy and npm's proxies. Each round runs every peer once, one after the other.

  node bench/gateway.ts [--cases NAMES] [--peers NAMES] [--rounds 5] [--seconds 2] [--json] [--write] [--list]

NAMES by comma; a case is known by its name or its group. --write puts what was measured into docs/benchmarks/gateway.md.
Needs nginx, haproxy, caddy, wrk and openssl.`;

const warmUpSeconds = 3;
/** Of peers that come with the system; their packages are called the same. */
const PROGRAM_OF: Readonly<Record<string, string>> = { HAProxy: 'haproxy', Caddy: 'caddy' };

const options = benchOptions(help, {
  cases: { type: 'string', default: CASES.map(({ name }) => name).join(',') },
  peers: { type: 'string' },
  rounds: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '2' },
  json: { type: 'boolean', default: false },
  write: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
});

if (options.list) for (const { name, group, title } of CASES) process.stdout.write(`${name.padEnd(14)} ${group.padEnd(10)} ${title}\n`);
else await main();

async function main(): Promise<void> {
  const wanted = options.cases.split(',');
  const unknown = wanted.filter((each) => !CASES.some(({ name, group }) => each === name || each === group));
  if (unknown.length > 0) misused(`There are no cases ${unknown.join(', ')}; see --list`, help);
  const chosenPeers = options.peers?.split(',');
  const peersOf = ({ peers }: Case) => peers.filter((name) => chosenPeers?.includes(name) ?? true);
  const cases = CASES.filter(({ name, group }) => wanted.includes(name) || wanted.includes(group));
  const missing = missingPrograms(['nginx', 'wrk', 'openssl', ...new Set(cases.flatMap(peersOf).flatMap((name) => PROGRAM_OF[name] ?? []))]);
  if (missing.length > 0) {
    process.stderr.write(`Cannot measure, because ${missing.join(', ')} cannot be found. Next, on Debian: apt-get install ${missing.join(' ')}\n`);
    process.exitCode = 1;
    return;
  }
  // What this process itself does to make load belongs to the load.
  if (CORES !== undefined) execFileSync('taskset', ['-acp', String(CORES.load), String(process.pid)]);
  if (!options.json) process.stdout.write(`${machineText()}; load average ${loadText()}\n`);
  const results: CaseResult[] = [];
  for (const { name, skip } of cases) if (skip !== undefined) process.stderr.write(`${name}: ${skip}\n`);
  const possible = cases.filter(({ skip }) => skip === undefined);
  // Each group begins with programs that have done nothing else.
  for (const group of new Set(possible.map((each) => each.group))) {
    const its = possible.filter((each) => each.group === group);
    await using programs = await Programs.start(new Set(its.flatMap(peersOf)));
    for (const one of its) {
      const result = await runCase(
        one,
        programs.peers.filter(({ name }) => peersOf(one).includes(name)),
      );
      results.push(result);
      if (!options.json) printCase(result);
    }
  }
  if (options.json) process.stdout.write(`${JSON.stringify({ machine: machineText(), results }, undefined, 2)}\n`);
  if (options.write) await writePage(results);
}

async function runCase(one: Case, peers: readonly Peer[]): Promise<CaseResult> {
  const measured = new Map<string, Measured[]>(peers.map(({ name }) => [name, []]));
  if (!one.isOnce) for (const peer of peers) await one.measure(peer, warmUpSeconds);
  const rounds = one.isOnce ? 1 : Number(options.rounds);
  for (let round = 0; round < rounds; round++) for (const peer of peers) measured.get(peer.name)?.push(await one.measure(peer, Number(options.seconds)));
  return summarize(one, measured);
}
