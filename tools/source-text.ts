/** One file of the repository, by its path from the root with `/` between the parts. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Where a file says it takes something from. */
export interface ImportStatement {
  readonly specifier: string;
  readonly line: number;
  /** The import is gone when types are stripped. */
  readonly typeOnly: boolean;
}

type Region = 'code' | 'lineComment' | 'blockComment' | 'single' | 'double' | 'template' | 'regex';

const WORDS_BEFORE_A_REGEX = new Set(['return', 'typeof', 'case', 'in', 'of', 'do', 'else', 'void', 'delete', 'throw', 'new', 'await', 'yield']);
const IMPORT_FROM = /\b(?:import|export)\s+(?<clause>type\s+[\w*{][^;'"()]*?|[\w*{][^;'"()]*?)\bfrom\s*(?<quote>['"])/g;
const IMPORT_EFFECT = /\bimport\s*(?<quote>['"])/g;
const IMPORT_CALL = /\b(?:import|require)\s*\(\s*(?<quote>['"])/g;

/**
 * The same text with everything that is not code blanked: comments, and the inside of strings, templates and regular expressions.
 * Every character keeps its place, so an index into one is an index into the other. Code in `${}` stays.
 */
export function codeOnly(text: string): string {
  const out: string[] = [];
  // Each open `${` remembers how many braces were open around it.
  const templates: number[] = [];
  let region: Region = 'code';
  let braces = 0;
  let inClass = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    const next = text.charAt(index + 1);
    if (region === 'code') {
      const opened = openedRegion(text, index);
      if (opened !== undefined) {
        region = opened;
        inClass = false;
        const isComment = opened === 'lineComment' || opened === 'blockComment';
        out.push(isComment ? '  ' : character);
        if (isComment) index += 1;
        continue;
      }
      if (character === '{') braces += 1;
      if (character === '}') {
        if (templates.at(-1) === braces) {
          templates.pop();
          region = 'template';
        } else braces -= 1;
      }
      out.push(character);
      continue;
    }
    if (region === 'template' && character === '$' && next === '{') {
      templates.push(braces);
      region = 'code';
      out.push('${');
      index += 1;
      continue;
    }
    if (character === '\\' && region !== 'lineComment' && region !== 'blockComment') {
      out.push(' ', next === '\n' ? '\n' : ' ');
      index += 1;
      continue;
    }
    if (region === 'regex' && (character === '[' || character === ']')) inClass = character === '[';
    if (region === 'blockComment' && character === '*' && next === '/') {
      region = 'code';
      out.push('  ');
      index += 1;
      continue;
    }
    const ended = endsRegion(region, character) && !(region === 'regex' && inClass && character === '/');
    if (ended) region = 'code';
    const keeps = character === '\n' || (ended && !/\s/.test(character));
    out.push(keeps ? character : ' ');
  }
  return out.join('');
}

/** Every static, dynamic and type import of a file, and every re-export. `code` is `codeOnly(file.text)`. */
export function importsOf(file: SourceFile, code: string): readonly ImportStatement[] {
  const found: (ImportStatement & { readonly index: number })[] = [];
  for (const pattern of [IMPORT_FROM, IMPORT_EFFECT, IMPORT_CALL]) {
    for (const match of code.matchAll(pattern)) {
      const start = match.index + match[0].length;
      const end = code.indexOf(match.groups?.quote ?? '', start);
      if (end < 0) continue;
      found.push({
        specifier: file.text.slice(start, end),
        line: lineAt(file.text, start),
        typeOnly: isTypeOnly(match.groups?.clause ?? ''),
        index: start,
      });
    }
  }
  return found.sort((a, b) => a.index - b.index).map(({ index: _, ...statement }) => statement);
}

/** The number, from 1, of the line that holds this index. */
export function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < index; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}

function isTypeOnly(clause: string): boolean {
  if (/^type\s/.test(clause)) return true;
  const names = /^\{(?<names>[^}]*)\}/
    .exec(clause)
    ?.groups?.names?.split(',')
    .filter((name) => name.trim() !== '');
  return names !== undefined && names.length > 0 && names.every((name) => /^\s*type\s/.test(name));
}

function openedRegion(text: string, index: number): Region | undefined {
  const character = text.charAt(index);
  if (character === "'") return 'single';
  if (character === '"') return 'double';
  if (character === '`') return 'template';
  if (character !== '/') return undefined;
  const next = text.charAt(index + 1);
  if (next === '/') return 'lineComment';
  if (next === '*') return 'blockComment';
  return mayStartRegex(text, index) ? 'regex' : undefined;
}

// A slash divides after a value and opens a regular expression anywhere else; a word decides by whether it is a value.
function mayStartRegex(text: string, index: number): boolean {
  const before = text.slice(Math.max(0, index - 200), index).trimEnd();
  const word = /[\w$]+$/.exec(before)?.[0];
  if (word !== undefined) return WORDS_BEFORE_A_REGEX.has(word);
  return before === '' || !/[)\]}'"`]$/.test(before);
}

function endsRegion(region: Region, character: string): boolean {
  switch (region) {
    case 'lineComment':
      return character === '\n';
    case 'single':
      return character === "'" || character === '\n';
    case 'double':
      return character === '"' || character === '\n';
    case 'template':
      return character === '`';
    case 'regex':
      return character === '/' || character === '\n';
    default:
      return false;
  }
}
