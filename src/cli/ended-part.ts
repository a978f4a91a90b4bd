import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Home, pathsOf } from './home.ts';

const TAIL_BYTES = 16 * 1024;

/** Where the log of one of Haven's own processes ends now; 0 if there is none yet. */
export async function endOfLog(home: Home, name: string): Promise<number> {
  return (await readTail(home, { name, from: 0 })).end;
}

/** The sentence with which the process ended, if that is the last its log says, after the byte `from`. */
export async function causeOfEnd(home: Home, options: { readonly name: string; readonly from?: number }): Promise<string | undefined> {
  const { text } = await readTail(home, { name: options.name, from: options.from ?? 0 });
  return /(?:^|\n)PlatformError[^:\n]*: ([^\n]*)\n(?:(?!\n\{)[\s\S])*$/.exec(text)?.[1];
}

/** The last lines of a log, for a person to look at. */
export async function lastLinesOfLog(
  home: Home,
  options: { readonly name: string; readonly from: number; readonly count: number },
): Promise<readonly string[]> {
  const { text } = await readTail(home, options);
  return text.trimEnd().split('\n').slice(-options.count);
}

async function readTail(
  home: Home,
  { name, from }: { readonly name: string; readonly from: number },
): Promise<{ readonly text: string; readonly end: number }> {
  const file = await open(join(pathsOf(home).logs, `${name}.log`)).catch(() => undefined);
  if (!file) return { text: '', end: 0 };
  try {
    const { size: end } = await file.stat();
    const start = Math.max(from, end - TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.max(0, end - start)), 0, Math.max(0, end - start), start);
    return { text: buffer.toString('utf8', 0, bytesRead), end };
  } finally {
    await file.close();
  }
}
