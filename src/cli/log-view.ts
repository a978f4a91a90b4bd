import type { LogLine } from '@haven/sdk';
import { paint, printable } from './output.ts';

const COLOURS = ['cyan', 'magenta', 'green', 'yellow', 'blue', 'cyanBright', 'magentaBright', 'greenBright', 'yellowBright', 'blueBright'] as const;

/** One line of output behind the name of who wrote it, padded to `columns`; the same instance always has the same colour. */
export function logText(line: Exclude<LogLine, { readonly kind: 'heartbeat' }>, columns: number): string {
  const stream = line.kind === 'line' ? process.stdout : process.stderr;
  const name = paint(colourOf(line.instance), line.instance.padEnd(columns), stream);
  // Whatever an app writes must not move the cursor or hide a line; colours of its own go too.
  return line.kind === 'line' ? `${name} ${paint('dim', '|', stream)} ${printable(line.text)}` : `${name} ${paint('dim', `* ${printable(line.text)}`, stream)}`;
}

/** Depends on the name only: neighbours such as web.1 and web.2 differ. */
function colourOf(name: string): (typeof COLOURS)[number] {
  let sum = 0;
  for (let at = 0; at < name.length; at++) sum = (sum * 31 + name.charCodeAt(at)) % 1_000_003;
  return COLOURS[sum % COLOURS.length] ?? 'cyan';
}
