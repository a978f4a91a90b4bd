import { messageOf } from '#base/errors';
import { nodeWorld } from '#world/node/node-world';
import { connect } from '../client.ts';
import type { CommandContext, RunCommand } from '../command.ts';
import { clusterFindings } from '../doctor/cluster-checks.ts';
import { type Finding, worstVerdict } from '../doctor/finding.ts';
import {
  checkCgroups,
  checkClock,
  checkEphemeralPorts,
  checkFreeDisk,
  checkNode,
  checkOpenFiles,
  checkPorts,
  checkPrivate,
  checkRing,
  checkSync,
} from '../doctor/machine-checks.ts';
import { EXIT } from '../exit-codes.ts';
import { findSupervisor } from '../lifecycle.ts';
import { paint, table } from '../output.ts';
import { readTraffic } from '../traffic.ts';

const ANSWER_WITHIN_MS = 3_000;

export const run: RunCommand = async (context) => {
  const { output, home } = context;
  output.progress('Checking this machine; it takes a few seconds');
  const world = nodeWorld({ logLevel: 'error', logName: 'haven' });
  const supervisor = await findSupervisor(world, home);
  const sync: Finding[] = [];
  const clock = await checkClock(async () => sync.push(await checkSync(home)));
  const machine = [
    checkNode(process.versions.node),
    await checkCgroups(),
    ...sync,
    await checkFreeDisk(home),
    await checkOpenFiles(),
    checkRing(),
    await checkPrivate(home),
    clock,
    await checkEphemeralPorts(home),
  ].filter((finding) => finding !== undefined);
  // A cluster elsewhere has nothing to do with the ports of this machine.
  const isElsewhere = process.env['HAVEN_ADDR'] !== undefined;
  const cluster = supervisor || isElsewhere ? await checkCluster(context) : [await checkPorts(home), notRunning(home.directory)];
  const findings = [...machine, ...cluster];
  if (output.json) output.record({ verdict: worstVerdict(findings), findings });
  else output.data(table(['', 'CHECK', 'FOUND', 'NEXT'], findings.map(rowOf)));
  return worstVerdict(findings) === 'fail' ? EXIT.failed : EXIT.ok;
};

async function checkCluster({ home, signal }: CommandContext): Promise<readonly Finding[]> {
  try {
    const client = await connect(home);
    const status = await client.status({ signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]) });
    const answers = await Promise.all(status.gateways.map(async (gateway) => [gateway.name, await readTraffic(gateway.adminAddress)] as const));
    const traffic = new Map(answers.flatMap(([name, answer]) => (answer === undefined ? [] : [[name, answer] as const])));
    return [{ check: 'API', verdict: 'ok', found: `answers, version ${status.version}` }, ...clusterFindings(status, { traffic, wallNow: Date.now() })];
  } catch (error) {
    signal.throwIfAborted();
    return [{ check: 'API', verdict: 'fail', found: messageOf(error), next: 'see logs/control.log in HAVEN_HOME; "haven down" and "haven up" start it anew' }];
  }
}

function notRunning(directory: string): Finding {
  return { check: 'cluster', verdict: 'ok', found: `not running in ${directory}`, next: 'haven up' };
}

const VERDICT = {
  ok: () => paint('green', 'ok'),
  warn: () => paint('yellow', 'warn'),
  fail: () => paint('red', 'FAIL'),
} as const;

function rowOf({ check, verdict, found, next }: Finding): readonly string[] {
  return [VERDICT[verdict](), check, found, next ?? ''];
}
