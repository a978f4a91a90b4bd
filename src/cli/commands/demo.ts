import { writeFile } from 'node:fs/promises';
import { PlatformError } from '#base/errors';
import { nodeWorld } from '#world/node/node-world';
import type { RunCommand } from '../command.ts';
import { reportHtml, reportLines } from '../demo/report.ts';
import { runDemo } from '../demo/run-demo.ts';
import { EXIT } from '../exit-codes.ts';

const DEFAULT_RATE = 1_000;
const MAX_RATE = 20_000;

export const run: RunCommand = async ({ output, signal }, { options }) => {
  const ratePerSecond = Number(options['rate'] ?? DEFAULT_RATE);
  if (!Number.isInteger(ratePerSecond) || ratePerSecond < 1 || ratePerSecond > MAX_RATE) {
    throw new PlatformError('INVALID', `Cannot send ${options['rate']} requests per second. Next: give --rate a whole number from 1 to ${MAX_RATE}`);
  }
  const only = typeof options['only'] === 'string' ? options['only'].split(',') : undefined;
  const report = await runDemo({
    world: nodeWorld({ logLevel: 'error', logName: 'demo' }),
    ratePerSecond,
    ...(only ? { only } : {}),
    signal,
    onProgress: (line) => output.progress(line),
    onRow: (row) => output.json && output.record({ row }),
  });
  if (typeof options['html'] === 'string') {
    await writeFile(options['html'], reportHtml(report));
    output.progress(`The report is in ${options['html']}`);
  }
  if (output.json) output.record({ result: { holds: report.holds, machine: report.machine, ratePerSecond, rows: report.rows } });
  else output.data(['', ...reportLines(report), '', report.holds ? 'It holds.' : 'It does not hold.'].join('\n'));
  return report.holds ? EXIT.ok : EXIT.failed;
};
