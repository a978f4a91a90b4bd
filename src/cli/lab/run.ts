import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '#base/errors';
import { EXPERIMENTS } from '#lab/experiments/experiments';
import { EXIT } from '../exit-codes.ts';
import { createOutput, table } from '../output.ts';
import { textOption } from './lab-options.ts';
import { runTasks } from './lab-runs.ts';
import { readInput } from './read-input.ts';
import type { LabInput } from './register.ts';

/** `haven lab run NAME`: regenerates the page of an experiment. Without a name it lists them. */
export async function run({ args, options, signal }: LabInput): Promise<number> {
  const output = createOutput({ json: options['json'] === true, quiet: options['quiet'] === true });
  const [name] = args;
  if (name === undefined) {
    if (output.json) output.record(EXPERIMENTS.map((one) => ({ name: one.name, title: one.title, files: one.files ?? [] })));
    else
      output.data(
        table(
          ['experiment', 'about', 'needs'],
          EXPERIMENTS.map((one) => [one.name, one.title, (one.files ?? []).join(', ')]),
        ),
      );
    return EXIT.ok;
  }
  const experiment = EXPERIMENTS.find((one) => one.name === name);
  if (experiment === undefined) {
    throw new PlatformError(
      'INVALID',
      `Cannot run "${name}", because there is no such experiment; there are ${EXPERIMENTS.map((one) => one.name).join(', ')}`,
      { name },
    );
  }
  const files = await readFiles(experiment.files ?? [], textOption(options, 'data', ''));
  const results = await runTasks(experiment.tasks(files), { output, signal, label: name });
  if (!results.every((one) => one !== undefined)) {
    output.warn(
      `interrupted after ${results.filter((one) => one !== undefined).length} of ${results.length} runs: the page is not written, because it would mix old and new`,
    );
    return EXIT.interrupted;
  }
  const folder = textOption(options, 'out', 'docs/experiments');
  await mkdir(folder, { recursive: true });
  const page = experiment.page(results, files);
  const written = [[`${name}.md`, page.markdown] as const, ...Object.entries(page.pictures)];
  for (const [file, text] of written) await writeFile(join(folder, file), text);
  if (output.json) output.record({ experiment: name, runs: results.length, files: written.map(([file]) => join(folder, file)) });
  else for (const [file] of written) output.data(join(folder, file));
  return EXIT.ok;
}

async function readFiles(names: readonly string[], folder: string): Promise<Readonly<Record<string, string>>> {
  if (names.length > 0 && folder === '') {
    throw new PlatformError('INVALID', `Cannot run this experiment without its data: give --data FOLDER with ${names.join(' and ')} in it`, { names });
  }
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readInput(join(folder, name))] as const)));
}
