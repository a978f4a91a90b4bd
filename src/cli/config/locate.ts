import { isMap, isPair, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import type { LoadedConfig } from './load-config.ts';

/** The 1-based line of the config on which the value at `path` stands, or as near above it as can be told. */
export function locate(config: Pick<LoadedConfig, 'source' | 'format'>, path: readonly string[]): number {
  return config.format === 'yaml' ? locateInYaml(config.source, path) : locateInCode(config.source, path);
}

function locateInYaml(source: string, path: readonly string[]): number {
  const lines = new LineCounter();
  let node: unknown = parseDocument(source, { lineCounter: lines }).contents;
  let offset = 0;
  for (const segment of path) {
    const next: { readonly key: unknown; readonly value: unknown } | undefined = childOf(node, segment);
    if (!next) break;
    offset = offsetOf(next.key) ?? offset;
    node = next.value;
  }
  return lines.linePos(offset).line;
}

function childOf(node: unknown, segment: string): { readonly key: unknown; readonly value: unknown } | undefined {
  if (isMap(node)) {
    const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === segment);
    return pair && { key: pair.key, value: pair.value };
  }
  if (isSeq(node)) {
    const item = node.items[Number(segment)];
    return item === undefined ? undefined : { key: item, value: item };
  }
  return undefined;
}

function offsetOf(node: unknown): number | undefined {
  return (node as Node | undefined)?.range?.[0];
}

/** Code cannot be asked where a value came from; the keys, searched from the outside in, each within the value of the one before, nearly always tell. */
function locateInCode(source: string, path: readonly string[]): number {
  const code = withoutTexts(source);
  let start = 0;
  let end = source.length;
  for (const segment of path) {
    if (/^\d+$/.test(segment)) continue;
    const escaped = segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    // Keys may be quoted, so they are looked for in the source, and their values measured in the code without texts.
    const found = new RegExp(`(?<=^|[\\s{,(])['"]?${escaped}['"]?\\s*[:(]`, 'm').exec(source.slice(start, end));
    if (!found) break;
    start += found.index + found[0].length;
    end = Math.min(end, endOfValue(code, start));
  }
  return source.slice(0, start).split('\n').length;
}

/** Where the value that begins at `start` ends: before the comma or bracket that closes it. */
function endOfValue(code: string, start: number): number {
  let depth = 0;
  for (let at = start; at < code.length; at++) {
    const character = code[at] as string;
    if ('{[('.includes(character)) depth++;
    if ('}])'.includes(character)) depth--;
    if (depth < 0 || (depth === 0 && character === ',')) return at;
  }
  return code.length;
}

/** The code with texts and comments blanked, in which brackets can be counted. */
function withoutTexts(source: string): string {
  return source.replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g, (text) => text.replace(/[^\n]/g, ' '));
}
