import { PlatformError } from '#base/errors';
import type { GanttBar, TextbookAnswer, TextbookProcess } from '#lab/textbook';
import { runTextbook } from '#lab/textbook';
import { createOutput, table } from '../output.ts';
import { textOption } from './lab-options.ts';
import type { LabInput } from './register.ts';

/** Columns of the drawing; longer schedules are scaled down to it. */
const MOST_COLUMNS = 72;

/** `haven lab gantt`. */
export async function run({ options }: LabInput): Promise<number> {
  const output = createOutput({ json: options['json'] === true, quiet: options['quiet'] === true });
  const processes = processesOf(textOption(options, 'jobs', 'P1:0:24,P2:0:3,P3:0:3'));
  const policies = splitPolicies(textOption(options, 'policies', 'fifo,sjf,srpt,time-slice?quantum=4s'));
  for (const policy of policies) {
    const answer = runTextbook(processes, policy);
    if (output.json) output.record({ policy, ...answer });
    else output.data(`${drawing(policy, processes, answer)}\n`);
  }
  return 0;
}

/** Splits a list of policy strings at commas that begin a name, so that `mlfq?allotments=1ms,3ms,fifo` is two policies. */
export function splitPolicies(text: string): readonly string[] {
  return text.split(/,(?=[a-z])/).filter((policy) => policy !== '');
}

function processesOf(text: string): readonly TextbookProcess[] {
  return text.split(',').map((part) => {
    const [name, arrival, burst, priority] = part.split(':');
    const numbers = [arrival, burst, priority ?? '0'].map(Number);
    if (name === undefined || name === '' || numbers.some((value) => !Number.isFinite(value))) {
      throw new PlatformError('INVALID', `Cannot read job "${part}", because it must be name:arrival:burst or name:arrival:burst:priority`, { part });
    }
    return { name, arrival: numbers[0] as number, burst: numbers[1] as number, priority: numbers[2] as number };
  });
}

/** One line per job, service as blocks and waiting as dots, over a common time axis. */
function drawing(policy: string, processes: readonly TextbookProcess[], answer: TextbookAnswer): string {
  const end = Math.max(...Object.values(answer.finish));
  const scale = end <= MOST_COLUMNS ? 1 : MOST_COLUMNS / end;
  const column = (time: number): number => Math.round(time * scale);
  const width = Math.max(...processes.map((process) => process.name.length));
  const lines = processes.map((process) => {
    const cells = new Array<string>(column(end)).fill(' ');
    cells.fill('·', column(process.arrival), column(answer.finish[process.name] ?? end));
    for (const [name, from, to] of answer.gantt) if (name === process.name) cells.fill('█', column(from), Math.max(column(from) + 1, column(to)));
    return `${process.name.padEnd(width)} │${cells.join('')}│`;
  });
  const axis = `${' '.repeat(width)} 0${String(end).padStart(column(end))}`;
  const figures = table(
    ['job', '>arrival', '>burst', '>finish', '>turnaround', '>waiting', '>response'],
    processes.map(({ name, arrival, burst }) => [
      name,
      ...[arrival, burst, answer.finish[name], answer.turnaround[name], answer.waiting[name], answer.response[name]].map(String),
    ]),
  );
  const means = `mean turnaround ${answer.avg_turnaround.toFixed(3)}, waiting ${answer.avg_waiting.toFixed(3)}, response ${answer.avg_response.toFixed(3)}`;
  return [policy, ...lines, axis, bars(answer.gantt), figures, means].join('\n');
}

function bars(gantt: readonly GanttBar[]): string {
  return gantt.map(([name, from, to]) => `${name} ${from}–${to}`).join('  ');
}
