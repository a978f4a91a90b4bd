import { PlatformError } from '#base/errors';

/** Never part of an app: history, and Haven's own files. */
const ALWAYS = ['.git/', '.haven/', '.git'];

/** True for a path, relative and with `/`, that is left out; `isDirectory` as patterns may ask for folders only. */
export type Ignores = (path: string, isDirectory: boolean) => boolean;

/**
 * Reads the patterns of a `.havenignore`: as in `.gitignore`, a line each, `#` for comments, `*`, `?` and `**`, a slash at the end for folders only, a slash before or within
 * ties it to the top folder. INVALID for `!`, which takes a pattern back, and for `[`: they are not supported, and nothing is ignored silently.
 */
export function parseIgnorePatterns(text: string): Ignores {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const rules = [...ALWAYS, ...lines.filter((line) => line !== '' && !line.startsWith('#'))].map(toRule);
  return (path, isDirectory) => rules.some((rule) => (isDirectory || !rule.foldersOnly) && rule.pattern.test(path));
}

function toRule(line: string): { readonly pattern: RegExp; readonly foldersOnly: boolean } {
  if (/^!|[[\]]/.test(line)) throw new PlatformError('INVALID', `Cannot use "${line}" in .havenignore, because "!" and "[…]" are not supported`, { line });
  const foldersOnly = line.endsWith('/');
  const body = line.replace(/^\/+|\/+$/g, '');
  const isTied = line.replace(/\/+$/, '').includes('/');
  const source = body
    .split(/(\*\*\/|\/\*\*$|\*\*|\*|\?)/)
    .map((part) => GLOB[part] ?? part.replace(/[\\^$.|+(){}]/g, '\\$&'))
    .join('');
  return { pattern: new RegExp(`^${isTied ? '' : '(?:.*/)?'}${source}$`), foldersOnly };
}

const GLOB: Readonly<Record<string, string>> = { '**/': '(?:.*/)?', '/**': '/.*', '**': '.*', '*': '[^/]*', '?': '[^/]' };
