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
  /** Why the command fails, whatever the flags. */
  fail(line: string): void;
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
    warn: (line) => void process.stderr.write(`${paint('yellow', 'warning', process.stderr)} ${line}\n`),
    fail: (line) => void process.stderr.write(`${line}\n`),
  };
}

/** Coloured when the stream, stdout unless told, shows colours and NO_COLOR is not set. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream, validateStream: true });
}

/** Rows as an aligned table with a dim head, one line each; columns whose head begins with `>` are aligned right. */
export function tableLines(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
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
  return [paint('dim', line(titles)), ...rows.map(line)];
}

/** See `tableLines`. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return tableLines(head, rows).join('\n');
}

/** How many columns a text takes, colours not counted. */
export function widthOf(text: string): number {
  return stripVTControlCharacters(text).length;
}

/** The line if it fits, else its beginning with `…`; a line that is cut loses its colours. */
export function fit(line: string, columns: number): string {
  if (widthOf(line) <= columns) return line;
  return `${stripVTControlCharacters(line).slice(0, Math.max(0, columns - 1))}…`;
}

/** What went wrong, then what to do: `Haven is not running here. Next: haven up`. */
export function withNext(message: string, next: unknown): string {
  if (typeof next !== 'string' || message.includes('Next: ')) return message;
  if (message.includes('\n')) return `${message}\nNext: ${next}`;
  return `${message}${message.endsWith('?') ? '' : '.'} Next: ${next}`;
}

/** `3s`, `4m`, `2h`, `5d`: how long ago, roughly. */
export function formatAge(ageMs: number): string {
  const seconds = Math.max(0, Math.round(ageMs / 1_000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** `0.8 s`, `12.3 s`, `2 min 5 s`: how long something took. */
export function formatTook(durationMs: number): string {
  if (durationMs < 60_000) return `${(Math.max(0, durationMs) / 1_000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1_000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** `1 node`, `3 nodes`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** `2025-03-01 14:05:09`, in the time zone of whoever looks. */
export function formatMoment(at: number): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The text without control characters, so that nothing an app wrote can move the cursor or hide a line. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what has to go.
  return stripVTControlCharacters(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}
