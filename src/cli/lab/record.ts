import { writeFile } from 'node:fs/promises';
import { TableSource } from '#lab/compare-table';
import { LogWriter } from '#lab/event-log-writer';
import { estimatorOf, sourceOf } from '#lab/scenario';
import { JobSimulation } from '#lab/simulator';
import { makeQueuePolicy } from '#policy/queue/policies';
import { EXIT } from '../exit-codes.ts';
import { createOutput } from '../output.ts';
import { textOption } from './lab-options.ts';
import type { LabInput } from './register.ts';
import { readWorkload } from './workload-input.ts';

/** `haven lab record FILE`: what a policy did with a workload, as the job log the advisor reads. */
export async function run({ args, options }: LabInput): Promise<number> {
  const output = createOutput({ json: options['json'] === true, quiet: options['quiet'] === true });
  const { scenario, table } = await readWorkload(options, output);
  const policy = makeQueuePolicy(textOption(options, 'policy', 'fifo'));
  const writer = new LogWriter({ logsEstimates: table?.estimate.some((estimate, index) => estimate > 0 && estimate !== table.size[index]) === true });
  const source = table === undefined ? sourceOf(scenario) : new TableSource(table, { seed: scenario.seed, estimate: estimatorOf(scenario) });
  const { workers, seed, switchCost = 0, switchMode = 'every-slice' } = scenario;
  const jobs = table?.jobs ?? scenario.jobs;
  const simulation = new JobSimulation({
    policy,
    source: writer.writing(source),
    workers,
    seed,
    jobs,
    switchCost,
    switchMode,
    window: 'all',
    pooled: table?.width.some((width) => width > 1) === true,
    observer: writer,
  }).simulate();
  const text = writer.text({ workers, policy: policy.name, ...(switchCost > 0 ? { switchCost } : {}) });
  const path = args[0] ?? '';
  await writeFile(path, text);
  if (output.json) output.record({ path, jobs, events: simulation.events, policy: policy.name, workers });
  else output.data(`wrote ${path}: ${jobs} jobs under ${policy.name} on ${workers} workers`);
  return EXIT.ok;
}
