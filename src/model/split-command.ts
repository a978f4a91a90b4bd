/** Outcome of reading a command. */
export type SplitCommand = { readonly ok: true; readonly command: readonly [string, ...string[]] } | { readonly ok: false; readonly why: string };

const MAX_WORDS = 256;
/** What only a shell understands, outside of quotes and inside of double ones: looked for where the text goes on. */
const SHELL = /^(?:[|&;<>`]|\$[A-Za-z_{(])/;
const SHELL_IN_QUOTES = /^(?:`|\$[A-Za-z_{(])/;

/**
 * A program and its arguments from a text, without a shell: split at blanks; `'…'` and `"…"` keep theirs; a backslash before a quote, a blank or
 * another backslash takes it as it is.
 */
export function splitCommand(text: string): SplitCommand {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let i = 0; i < text.length; i++) {
    const letter = text[i] ?? '';
    const next = text[i + 1] ?? '';
    if (letter === '\\' && quote !== "'" && /[\\'"\s]/.test(next)) {
      word = (word ?? '') + next;
      i++;
    } else if (quote !== undefined) {
      if (letter === quote) quote = undefined;
      else if (quote === '"' && SHELL_IN_QUOTES.test(letter + next)) return { ok: false, why: shellHint(letter, text) };
      else word = (word ?? '') + letter;
    } else if (letter === "'" || letter === '"') {
      quote = letter;
      word ??= '';
    } else if (/\s/.test(letter)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      if (SHELL.test(letter + next)) return { ok: false, why: shellHint(letter, text) };
      word = (word ?? '') + letter;
    }
  }
  if (quote !== undefined) return { ok: false, why: `has a ${quote} that is never closed` };
  if (word !== undefined) words.push(word);
  return checkCommand(words);
}

/** The words of a command as given, if they can be run. */
export function checkCommand(words: readonly string[]): SplitCommand {
  const [program, ...args] = words;
  if (program === undefined || program === '') return { ok: false, why: 'names no program' };
  if (words.length > MAX_WORDS) return { ok: false, why: `has more than ${MAX_WORDS} words` };
  if (words.some((word) => word.includes('\0'))) return { ok: false, why: 'contains a zero byte' };
  if (args.length === 0 && /\s/.test(program)) return { ok: false, why: `names one program "${program}" with blanks in it; write each word as its own item` };
  return { ok: true, command: [program, ...args] };
}

function shellHint(letter: string, text: string): string {
  const quoted = text.length <= 80 ? `'${text.replaceAll("'", "\\'")}'` : "'…'";
  return `contains "${letter}", which only a shell understands, and Haven starts programs without one; put it in quotes if it is meant as it is, or, for a shell, write ['sh', '-c', ${quoted}]`;
}
