import type { Breach } from './breach.ts';
import { importBreaches } from './import-rules.ts';
import { codeOnly, importsOf, lineAt, type SourceFile } from './source-text.ts';

const fileLinesLimit = 500;

interface BannedCall {
  readonly pattern: RegExp;
  readonly instead: string;
}

const TIME = 'the time comes from world.clock or a parameter "now"';
const TIMER = 'waiting goes through world.clock';
const LUCK = 'luck comes from world.random';

const BANNED_TIMERS: readonly BannedCall[] = [
  { pattern: /\bDate\s*\.\s*now\b/g, instead: TIME },
  { pattern: /\bnew\s+Date\s*(?:\(\s*\)|(?=[;,)\n]))/g, instead: TIME },
  { pattern: /\bperformance\s*\.\s*now\b/g, instead: TIME },
  {
    pattern: /(?<!\.\s*)\bset(?:Timeout|Interval|Immediate)\b(?=\s*[(,)])|\b(?:globalThis|timers)\s*\.\s*set(?:Timeout|Interval|Immediate)\b/g,
    instead: TIMER,
  },
  { pattern: /\bAbortSignal\s*\.\s*timeout\b/g, instead: TIMER },
];

const BANNED_LUCK: readonly BannedCall[] = [
  { pattern: /\bMath\s*\.\s*random\b/g, instead: LUCK },
  { pattern: /\brandomUUID\b/g, instead: LUCK },
];

// Written in two parts so that this file passes its own rules.
const LEFT_OVER = new RegExp(`\\b(?:${['TO', 'DO'].join('')}|${['FIX', 'ME'].join('')}|X{3})\\b`, 'g');
const SILENCED = new RegExp(`@ts-${'ignore'}\\b`, 'g');
const ANY = /(?::\s*|\bas\s+|<\s*|[|&]\s*)any\b(?!\s*[(:.])/g;
const DEFAULT_EXPORT = /\bexport\s+default\b|\bexport\s*\{[^}]*\bas\s+default\b/g;

/** Every rule of style that one source file breaks, by line. */
export function sourceBreaches(file: SourceFile): readonly Breach[] {
  const lines = lineBreach(file);
  const words = matches(file, file.text, LEFT_OVER, 'left-over', 'Do it now, or write it under Limits in the docs');
  if (!/\.(?:ts|tsx|js|mjs)$/.test(file.path)) return [...lines, ...words];
  const code = codeOnly(file.text);
  const found = [
    ...lines,
    ...words,
    ...nameBreach(file),
    ...matches(file, file.text, SILENCED, 'silenced', 'Fix the type, or write "@ts-expect-error" with the reason in a test of types'),
    ...matches(file, code, ANY, 'any', 'Name the type; what is unknown is "unknown"'),
    ...(isConfigurationFile(file.path) ? [] : matches(file, code, DEFAULT_EXPORT, 'default-export', 'Export it by its name')),
    ...callBreaches(file, code),
    ...importBreaches(file, code),
  ];
  return found.sort((a, b) => a.line - b.line);
}

function lineBreach(file: SourceFile): readonly Breach[] {
  const count = file.text.split('\n').length - (file.text.endsWith('\n') ? 1 : 0);
  if (count <= fileLinesLimit) return [];
  return [{ path: file.path, line: fileLinesLimit + 1, rule: 'file-length', message: `Split it: ${count} lines are more than ${fileLinesLimit}` }];
}

function nameBreach(file: SourceFile): readonly Breach[] {
  const name = /(?:^|\/)(?<stem>index|utils|types)(?:\.(?:d|test|live\.test|bench))?\.\w+$/.exec(file.path)?.groups?.stem;
  if (name === undefined) return [];
  return [{ path: file.path, line: 1, rule: 'file-name', message: `Name the file by the one thing it holds, not "${name}"` }];
}

function callBreaches(file: SourceFile, code: string): readonly Breach[] {
  if (mayCallThePlatform(file.path)) return [];
  const luck = banned(file, code, BANNED_LUCK);
  // The data plane has one clock of its own, because a timer per request through the world would cost more than the request.
  if (file.path === 'src/gateway/dataplane/clock.ts') return luck;
  const modules = importsOf(file, code)
    .filter((statement) => /^(?:node:)?timers(?:\/promises)?$/.test(statement.specifier))
    .map((statement) => ({ path: file.path, line: statement.line, rule: 'banned-call', message: `Do not import "${statement.specifier}": ${TIMER}` }));
  return [...luck, ...banned(file, code, BANNED_TIMERS), ...modules];
}

function banned(file: SourceFile, code: string, calls: readonly BannedCall[]): readonly Breach[] {
  return calls.flatMap(({ pattern, instead }) =>
    [...code.matchAll(pattern)].map((match) => ({
      path: file.path,
      line: lineAt(code, match.index),
      rule: 'banned-call',
      message: `Do not use ${match[0].replace(/\s+/g, ' ').trim()}: ${instead}`,
    })),
  );
}

function mayCallThePlatform(path: string): boolean {
  if (/^(?:src\/world\/node|src\/cli|examples|sdk|scripts|tools|bench|bin|dashboard)\//.test(path)) return true;
  return /\.(?:test|bench)\.ts$/.test(path);
}

function isConfigurationFile(path: string): boolean {
  return /(?:^|[/.])config\.(?:ts|js|mjs)$/.test(path);
}

function matches(file: SourceFile, text: string, pattern: RegExp, rule: string, message: string): readonly Breach[] {
  return [...text.matchAll(pattern)].map((match) => ({ path: file.path, line: lineAt(text, match.index), rule, message }));
}
