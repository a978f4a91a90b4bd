import { writeFile } from 'node:fs/promises';
import { PlatformError } from '#base/errors';
import { nodeWorld } from '#world/node/node-world';
import type { RunCommand } from '../command.ts';
import { reportHtml, reportLines } from '../demo/report.ts';
import { runDemo } from '../demo/run-demo.ts';
import { EXIT } from '../exit-codes.ts';

const DEFAULT_RATE = 1_000;
const MAX_RATE = 20_000;
/** Nobody has asked for the default rate: on a machine that does not serve it the story is told at less. */
const LEAST_RATE = 125;

export const run: RunCommand = async ({ output, signal }, { options }) => {
  const ratePerSecond = Number(options['rate'] ?? DEFAULT_RATE);
  if (!Number.isInteger(ratePerSecond) || ratePerSecond < 1 || ratePerSecond > MAX_RATE) {
    throw new PlatformError('INVALID', `Cannot send ${options['rate']} requests per second. Next: give --rate a whole number from 1 to ${MAX_RATE}`);
  }
  const only = typeof options['only'] === 'string' ? options['only'].split(',') : undefined;
  const report = await runDemo({
    world: nodeWorld({ logLevel: 'error', logName: 'demo' }),
    ratePerSecond,
    ...(options['rate'] === undefined ? { leastPerSecond: LEAST_RATE } : {}),
    ...(only ? { only } : {}),
    signal,
    onProgress: (line) => output.progress(line),
    onRow: (row) => output.json && output.record({ row }),
  });
  if (typeof options['html'] === 'string') {
    await writeFile(options['html'], reportHtml(report));
    output.progress(`The report is in ${options['html']}`);
  }
  if (output.json) output.record({ result: { holds: report.holds, machine: report.machine, ratePerSecond: report.ratePerSecond, rows: report.rows } });
  else output.data(['', ...reportLines(report)].join('\n'));
  return report.holds ? EXIT.ok : EXIT.failed;
};
