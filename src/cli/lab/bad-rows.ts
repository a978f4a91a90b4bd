import type { BadRow } from '#lab/event-log';
import type { Output } from '../output.ts';
import { plural } from '../output.ts';

const MOST_REASONS = 5;
const MOST_LINES = 5;
/** Line numbers in machine-readable output; the count is always whole. */
const MOST_LISTED = 1_000;

/** Says on stderr which rows of a file are not used, by reason and line, and how many had to be sorted. */
export function warnOfBadRows(
  path: string,
  { bad, unsorted, output }: { readonly bad: readonly BadRow[]; readonly unsorted: number; readonly output: Pick<Output, 'warn'> },
): void {
  if (bad.length > 0) {
    const reasons = byReason(bad);
    const shown = reasons.slice(0, MOST_REASONS).map(([reason, lines]) => `${linesOf(lines)} ${reason}`);
    const hidden = reasons.slice(MOST_REASONS).reduce((sum, [, lines]) => sum + lines.length, 0);
    output.warn(`${plural(bad.length, 'row')} of ${path} left out: ${shown.join('; ')}${hidden > 0 ? `; and ${hidden} for other reasons` : ''}`);
  }
  if (unsorted > 0) output.warn(`${plural(unsorted, 'row')} of ${path} earlier than the row before: sorted`);
}

/** The same for programs: how many, and the lines of the first of them. */
export function badRowsRecord(bad: readonly BadRow[]): { readonly skipped: number; readonly skipped_rows: readonly BadRow[] } {
  return { skipped: bad.length, skipped_rows: bad.slice(0, MOST_LISTED) };
}

function byReason(bad: readonly BadRow[]): readonly (readonly [reason: string, lines: readonly number[]])[] {
  const reasons = new Map<string, number[]>();
  for (const { line, reason } of bad) {
    const lines = reasons.get(reason);
    if (lines === undefined) reasons.set(reason, [line]);
    else lines.push(line);
  }
  return [...reasons];
}

function linesOf(lines: readonly number[]): string {
  if (lines.length === 1) return `line ${lines[0]}`;
  const shown = lines.slice(0, MOST_LINES).join(', ');
  return lines.length <= MOST_LINES ? `lines ${shown}` : `${lines.length} rows (lines ${shown}, …)`;
}
