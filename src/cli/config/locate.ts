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

/** Code cannot be asked where a value came from; the keys, searched in order from the outside in, nearly always tell. */
function locateInCode(source: string, path: readonly string[]): number {
  let offset = 0;
  for (const segment of path) {
    if (/^\d+$/.test(segment)) continue;
    const escaped = segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    const found = new RegExp(`(?<=^|[\\s{,(])['"]?${escaped}['"]?\\s*[:(]`, 'm').exec(source.slice(offset));
    if (!found) break;
    offset += found.index + 1;
  }
  return source.slice(0, offset).split('\n').length;
}
