import { PlatformError } from '#base/errors';
import type { TextbookCase } from '#lab/textbook';
import { differencesOf, policyOfTextbook, runTextbook } from '#lab/textbook';
import type { OtherCase } from '#lab/textbook-others';
import { differencesOfOther } from '#lab/textbook-others';
import { createOutput, paint } from '../output.ts';
import { readJson } from './read-input.ts';
import type { LabInput } from './register.ts';

interface Verdict {
  readonly id: string;
  readonly policy: string;
  readonly verdict: 'pass' | 'fail' | 'unsupported';
  readonly differences: readonly string[];
}

/** `haven lab textbook FILE.json`. Exit code 1 if any case fails. */
export async function run({ args, options }: LabInput): Promise<number> {
  const output = createOutput({ json: options['json'] === true, quiet: options['quiet'] === true });
  const path = args[0] ?? '';
  const file = (await readJson(path)) as { readonly single_cpu?: readonly TextbookCase[]; readonly other?: readonly OtherCase[] };
  if (!Array.isArray(file.single_cpu) && !Array.isArray(file.other)) {
    throw new PlatformError('INVALID', `Cannot check "${path}", because it has neither a list "single_cpu" nor a list "other"`, { path });
  }
  const verdicts = [...(file.single_cpu ?? []).map(judgeProcessor), ...(file.other ?? []).map(judgeOther)];
  const passed = verdicts.filter((one) => one.verdict === 'pass').length;
  if (output.json) output.record({ cases: verdicts, passed, total: verdicts.length });
  else {
    for (const one of verdicts) {
      output.data(`${one.verdict === 'pass' ? paint('green', 'pass') : paint('red', one.verdict)}  ${one.id}  ${one.policy}`);
      for (const difference of one.differences) output.data(`      ${difference}`);
    }
    output.data(`${passed} of ${verdicts.length} cases agree in every number`);
  }
  return passed === verdicts.length ? 0 : 1;
}

function judgeProcessor(one: TextbookCase): Verdict {
  try {
    const policy = policyOfTextbook(one);
    const differences = differencesOf(runTextbook(one.processes, policy), one);
    return { id: one.id, policy, verdict: differences.length === 0 ? 'pass' : 'fail', differences };
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    return { id: one.id, policy: one.policy, verdict: 'unsupported', differences: [error.message] };
  }
}

function judgeOther(one: OtherCase): Verdict {
  const differences = differencesOfOther(one);
  if (differences === undefined) return { id: one.id, policy: one.kind, verdict: 'unsupported', differences: [`the lab has no case of kind "${one.kind}"`] };
  return { id: one.id, policy: one.kind, verdict: differences.length === 0 ? 'pass' : 'fail', differences };
}
