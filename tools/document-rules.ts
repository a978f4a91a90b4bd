import type { Breach } from './breach.ts';
import { lineAt, type SourceFile } from './source-text.ts';

const architectureLinesLimit = 200;
const LINK = /!?\[(?:[^[\]]|\[[^\]]*\])*\]\(\s*<?(?<target>[^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g;
const REFERENCE = /^ {0,3}\[[^\]]+\]:\s*<?(?<target>[^\s>]+)>?/gm;
const ATTRIBUTE = /<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)="(?<target>[^"]+)"/g;

/** Broken relative links of one Markdown file, and an ARCHITECTURE.md too long to be read. `exists` answers for a path from the root. */
export function documentBreaches(file: SourceFile, exists: (path: string) => boolean): readonly Breach[] {
  const text = withoutCode(file.text);
  const links = [LINK, REFERENCE, ATTRIBUTE].flatMap((pattern) =>
    [...text.matchAll(pattern)].flatMap((match) => linkBreach(file.path, { target: match.groups?.target ?? '', line: lineAt(text, match.index), exists })),
  );
  return [...links, ...lengthBreach(file)];
}

function linkBreach(
  path: string,
  { target, line, exists }: { readonly target: string; readonly line: number; readonly exists: (path: string) => boolean },
): readonly Breach[] {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target) || target.startsWith('#')) return [];
  if (target.startsWith('/')) return [{ path, line, rule: 'link', message: `Write the link "${target}" relative to this file` }];
  const relative = decodeURIComponent(target.split(/[?#]/)[0] ?? '');
  const parts = path.split('/').slice(0, -1);
  for (const part of relative.split('/')) {
    if (part === '..' && parts.pop() === undefined) return [{ path, line, rule: 'link', message: `The link "${target}" leaves the repository` }];
    if (part !== '..' && part !== '.' && part !== '') parts.push(part);
  }
  return exists(parts.join('/')) ? [] : [{ path, line, rule: 'link', message: `The link "${target}" leads to nothing` }];
}

function lengthBreach(file: SourceFile): readonly Breach[] {
  const count = file.text.trimEnd().split('\n').length;
  if (file.path !== 'ARCHITECTURE.md' || count <= architectureLinesLimit) return [];
  const message = `Shorten it: ${count} lines are more than ${architectureLinesLimit}`;
  return [{ path: file.path, line: architectureLinesLimit + 1, rule: 'document-length', message }];
}

// Fences and inline code hold examples, not links; the line breaks stay so that lines can be counted.
function withoutCode(text: string): string {
  const blank = (code: string): string => code.replace(/[^\n]/g, ' ');
  return text
    .replace(/^ {0,3}(?<fence>`{3,}|~{3,})[\s\S]*?(?:^ {0,3}\k<fence>[`~]*[ \t]*$|(?![\s\S]))/gm, blank)
    .replace(/(?<ticks>`+)[^`\n]+\k<ticks>/g, blank);
}
