import type { Breach } from './breach.ts';
import { type ImportStatement, importsOf, type SourceFile } from './source-text.ts';

/** Which modules of `src` each module may import. Arrows only point down; `model` takes only types from `world`. */
export const ALLOWED_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  world: ['base'],
  model: ['base', 'world'],
  policy: ['base', 'model'],
  store: ['base', 'world'],
  control: ['base', 'world', 'model', 'policy', 'store'],
  agent: ['base', 'world', 'model'],
  gateway: ['base', 'world', 'model', 'policy'],
  objects: ['base', 'world', 'model', 'store'],
  lab: ['base', 'model', 'policy'],
  sim: ['base', 'world', 'model', 'policy', 'store', 'control', 'agent', 'gateway', 'objects', 'lab'],
  cli: ['base', 'world', 'model', 'policy', 'store', 'control', 'agent', 'gateway', 'objects', 'lab', 'sim'],
};

// Tests of these modules may take a simulated world although the module may not, because a test needs a clock and luck with a seed.
const TESTS_WITH_A_WORLD = new Set(['model', 'policy', 'lab']);

// The SDK's types are the wire format of the API: who serves it and who calls it take them from there.
const USERS_OF_THE_SDK = new Set(['control', 'cli']);

interface Target {
  readonly module: string;
  /** From the root, without the extension when written with `#`. */
  readonly path: string;
}

/** Every import that crosses a boundary it may not. */
export function importBreaches(file: SourceFile, code: string): readonly Breach[] {
  return importsOf(file, code).flatMap((statement) => {
    const breach = judge(file.path, statement);
    return breach === undefined ? [] : [{ path: file.path, line: statement.line, ...breach }];
  });
}

/** The part of the repository a path belongs to: a folder of `src`, else the first folder. */
export function moduleOf(path: string): string {
  const parts = path.split('/');
  if (parts[0] === 'src') return parts[1] ?? '';
  return parts.length > 1 ? `/${parts[0]}` : '/';
}

function judge(path: string, statement: ImportStatement): Omit<Breach, 'path' | 'line'> | undefined {
  const from = moduleOf(path);
  const isTest = isTestFile(path);
  const { specifier } = statement;
  if (from === '/sdk' && !isTest && !specifier.startsWith('./')) {
    return { rule: 'sdk-imports', message: `The SDK cannot import "${specifier}", because it runs anywhere and depends on nothing` };
  }
  if (specifier === '@haven/sdk' && ALLOWED_IMPORTS[from] !== undefined && !USERS_OF_THE_SDK.has(from) && !isTest) {
    return { rule: 'import-table', message: `src/${from} cannot import the SDK, because only the API and the command line may` };
  }
  const target = targetOf(path, specifier);
  if (target === undefined) return undefined;
  if (specifier.startsWith('#') && target.module === from) {
    return { rule: 'own-module', message: `Write a relative path instead of "${specifier}" inside src/${from}` };
  }
  if (specifier.startsWith('.') && target.module !== from) {
    return { rule: 'crossing', message: `Write "#module/file" instead of "${specifier}", which leaves its module` };
  }
  return worldBreach(path, target) ?? tableBreach(path, { from, target, statement, isTest });
}

function worldBreach(path: string, target: Target): Omit<Breach, 'path' | 'line'> | undefined {
  if (!target.path.startsWith('src/world/node/') || mayUseTheMachine(path)) return undefined;
  return { rule: 'world-node', message: 'Take a World as a parameter: src/world/node is picked by the command line, a main.ts, a live test or a benchmark' };
}

function tableBreach(
  path: string,
  { from, target, statement, isTest }: { readonly from: string; readonly target: Target; readonly statement: ImportStatement; readonly isTest: boolean },
): Omit<Breach, 'path' | 'line'> | undefined {
  if (target.module === from) return undefined;
  if (from === '/examples' && !isTest) {
    return { rule: 'import-table', message: `An example imports what its reader can: "@haven/sdk", not "${statement.specifier}"` };
  }
  const allowed = ALLOWED_IMPORTS[from];
  if (allowed === undefined) return path.startsWith('src/') ? { rule: 'import-table', message: `src/${from} is not in the table of modules` } : undefined;
  const asTest = isTest && target.module === 'world' && TESTS_WITH_A_WORLD.has(from);
  if (!allowed.includes(target.module) && !asTest) {
    return { rule: 'import-table', message: `src/${from} cannot import src/${target.module}; it may import ${allowed.join(', ') || 'nothing'}` };
  }
  if (from === 'model' && target.module === 'world' && !statement.typeOnly && !isTest) {
    return { rule: 'import-table', message: 'src/model takes only types from src/world: write "import type"' };
  }
  return undefined;
}

function targetOf(path: string, specifier: string): Target | undefined {
  if (specifier.startsWith('#')) {
    const target = `src/${specifier.slice(1)}`;
    return { module: moduleOf(target), path: target };
  }
  if (!specifier.startsWith('.')) return undefined;
  const parts = path.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  const target = parts.join('/');
  return { module: moduleOf(target), path: target };
}

function mayUseTheMachine(path: string): boolean {
  if (/^src\/world\/(?:node|conformance)\//.test(path) || path.startsWith('src/cli/')) return true;
  if (/^src\/world\/.*\.test\.ts$/.test(path) || /^(?:bench|examples|scripts|tools|sdk)\//.test(path)) return true;
  return /\.live\.test\.ts$|\.bench\.ts$|[/.]main\.ts$/.test(path);
}

function isTestFile(path: string): boolean {
  return /\.(?:test|bench)\.ts$/.test(path);
}
