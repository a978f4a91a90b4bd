import { stripVTControlCharacters, styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Where a command writes: data to stdout, everything else to stderr, so that both can be piped. */
export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** Data for people or programs; one line. */
  data(line: string): void;
  /** Data for programs: one JSON line. */
  record(value: unknown): void;
  /** Progress for people; silent with `--quiet` and `--json`. */
  progress(line: string): void;
  warn(line: string): void;
  /** True when a person may be looking at a redrawn screen. */
  readonly interactive: boolean;
}

export function createOutput(options: { readonly json: boolean; readonly quiet: boolean }): Output {
  return {
    ...options,
    interactive: process.stdout.isTTY === true && process.stderr.isTTY === true && !options.json && !options.quiet,
    data: (line) => void process.stdout.write(`${line}\n`),
    record: (value) => void process.stdout.write(`${JSON.stringify(value)}\n`),
    progress: (line) => {
      if (!options.quiet && !options.json) process.stderr.write(`${line}\n`);
    },
    warn: (line) => void process.stderr.write(`${paint('yellow', 'warning')} ${line}\n`),
  };
}

/** Coloured when the terminal shows colours and NO_COLOR is not set. */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stderr, validateStream: true });
}

/** Rows as an aligned table with a dim head; columns whose head begins with `>` are aligned right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const right = head.map((title) => title.startsWith('>'));
  const titles = head.map((title) => title.replace(/^>/, ''));
  const widths = titles.map((title, column) => Math.max(title.length, ...rows.map((row) => widthOf(row[column] ?? ''))));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => {
        const padding = ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell)));
        return right[column] ? padding + cell : cell + padding;
      })
      .join('  ')
      .trimEnd();
  return [paint('dim', line(titles)), ...rows.map(line)].join('\n');
}

function widthOf(cell: string): number {
  return stripVTControlCharacters(cell).length;
}

/** `3s`, `4m`, `2h`, `5d`: how long ago, roughly. */
export function formatAge(ageMs: number): string {
  const seconds = Math.max(0, Math.round(ageMs / 1_000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
