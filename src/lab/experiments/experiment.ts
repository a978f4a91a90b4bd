import type { LabResults, LabTask } from '../compare-task.ts';

/** A page with its pictures; the page names them by these file names. */
export interface ExperimentPage {
  readonly markdown: string;
  readonly pictures: Readonly<Record<string, string>>;
}

export type ExperimentTask = LabTask;
export type ExperimentResult = LabResults[LabTask['kind']];

/** What an experiment needs from outside: texts of files by their name. */
export type ExperimentFiles = Readonly<Record<string, string>>;

/** One experiment: the runs it needs, and the page that is made of their results. The same runs give the same bytes. */
export interface Experiment {
  readonly name: string;
  readonly title: string;
  /** Files it reads from the folder of `--data`. */
  readonly files?: readonly string[];
  tasks(files: ExperimentFiles): readonly ExperimentTask[];
  /** `results` in the order of the tasks. */
  page(results: readonly ExperimentResult[], files: ExperimentFiles): ExperimentPage;
}

/** A Markdown table. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const aligned = head.map((title) => (title.startsWith('>') ? '--:' : '---'));
  return [line(head.map((title) => title.replace(/^>/, ''))), `|${aligned.join('|')}|`, ...rows.map(line)].join('\n');
}

/** The end of every page: how to make it again. */
export function pageEnd(name: string, notes: readonly string[]): string {
  const limits = notes.map((note) => `- ${note}`).join('\n');
  return `\n## Limits\n\n${limits}\n\n## Make it again\n\n\`\`\`sh\nhaven lab run ${name}\n\`\`\`\n\nThe same seeds give the same bytes. ± is the 95 % confidence interval.\n`;
}
