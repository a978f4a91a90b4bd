import { PlatformError } from '#base/errors';
import { replayLog } from '#lab/log-replay';
import { parseSwf } from '#lab/swf';
import { makePredictor, PREDICTORS } from '#policy/queue/predictors';
import { createOutput, table } from '../output.ts';
import { badRowsRecord, warnOfBadRows } from './bad-rows.ts';
import { countOption, durationOf, textOption } from './lab-options.ts';
import { readInput } from './read-input.ts';
import type { LabInput } from './register.ts';

/** `haven lab swf LOG.swf[.gz]`. */
export async function run({ args, options }: LabInput): Promise<number> {
  const output = createOutput({ json: options['json'] === true, quiet: options['quiet'] === true });
  const estimates = textOption(options, 'estimates', 'user');
  const isPredicted = estimates !== 'user' && estimates !== 'exact';
  if (isPredicted) checkPredictor(estimates);
  const compression = Number(textOption(options, 'arrivalScale', '1'));
  if (!(compression > 0))
    throw new PlatformError('INVALID', `Cannot use --arrival-scale ${textOption(options, 'arrivalScale', '')}, because it must be a number above 0`);
  const path = args[0] ?? '';
  const log = parseSwf(await readInput(path), {
    estimates: estimates === 'exact' ? 'exact' : 'user',
    ...(options['processors'] === undefined ? {} : { processors: countOption(options, 'processors', 1) }),
  });
  warnOfBadRows(path, { bad: log.skipped, unsorted: log.unsorted, output });
  const jobs = compression === 1 ? log.jobs : log.jobs.map((job) => ({ ...job, at: Math.round(job.at * compression) }));
  const policy = textOption(options, 'policy', 'easy');
  const startedAt = performance.now();
  const tau = durationOf(options, 'tau');
  const result = replayLog(jobs, {
    policy,
    processors: log.processors,
    seed: countOption(options, 'seed', 1, 0),
    ...(isPredicted ? { predictor: estimates } : {}),
    ...(tau > 0 ? { tau } : {}),
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  if (result.fallback !== '') output.warn(`${policy} was replaced by first come, first served: ${result.fallback}`);
  const facts = { policy, estimates, processors: log.processors, ...result, unsorted: log.unsorted, overran: log.overran };
  if (output.json) output.record({ ...facts, ...badRowsRecord(log.skipped) });
  else {
    output.progress(`${jobs.length} jobs in ${seconds.toFixed(2)} s; times in seconds, bounded slowdown with tau 10 s`);
    output.data(
      table(
        ['', '>value'],
        Object.entries({ ...facts, skipped: log.skipped.length }).map(([name, value]) => [name.replaceAll('_', ' '), String(value)]),
      ),
    );
  }
  return 0;
}

function checkPredictor(text: string): void {
  if (Object.hasOwn(PREDICTORS, text.split('?')[0] ?? '')) makePredictor(text);
  else
    throw new PlatformError('INVALID', `Cannot use --estimates ${text}, because it must be one of user, exact, ${Object.keys(PREDICTORS).join(', ')}`, {
      text,
    });
}
