import { readFile, stat } from 'node:fs/promises';
import { registerHooks } from 'node:module';
import { basename, dirname, extname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LineCounter, parseDocument } from 'yaml';
import { messageOf, PlatformError } from '#base/errors';

const DATA = ['.json', '.yaml', '.yml'];
const CODE = ['.ts', '.js', '.mjs', '.mts', '.cjs', '.cts'];
const MAX_CONFIG_BYTES = 1024 * 1024;
const EVALUATED_WITHIN_MS = 10_000;

/** A config as the user wrote it: not yet validated. */
export interface LoadedConfig {
  readonly path: string;
  /** The app's folder: what is uploaded. */
  readonly directory: string;
  readonly source: string;
  readonly format: 'code' | 'yaml';
  /** Plain data, whatever the format. */
  readonly value: unknown;
}

/** What a config is of: how it is named where only its folder is given, and how one of code begins. */
export interface ConfigKind {
  /** Without what it ends with. */
  readonly name: string;
  readonly example: string;
}

const APP: ConfigKind = { name: 'haven.config', example: 'export default defineApp({ … })' };

/** What follows a mistake that keeps a config from being read. */
const MEND = { next: 'mend it; nothing has been changed' };

/** Reads the config at `target`: a config file, or a folder that holds one. INVALID names the file, the line where known, or the names looked for, and what to do. */
export async function loadConfig(target: string, kind: ConfigKind = APP): Promise<LoadedConfig> {
  const path = await findConfig(resolve(target), kind);
  const extension = extname(path);
  if (![...DATA, ...CODE].includes(extension)) {
    const next = `let its name end in ${DATA.join(', ')}, or ${CODE.slice(0, 3).join(', ')} for code`;
    throw new PlatformError('INVALID', `Cannot read ${shown(path)}, because its name does not tell what is in it`, { next });
  }
  const { size } = await stat(path);
  if (size > MAX_CONFIG_BYTES) {
    const why = `it has ${size} bytes and a config may have ${MAX_CONFIG_BYTES}`;
    throw new PlatformError('INVALID', `Cannot read ${shown(path)}, because ${why}`, { next: 'see whether it is the right file; nothing has been changed' });
  }
  const source = await readText(path);
  const common = { path, directory: dirname(path), source };
  if (DATA.includes(extension)) return { ...common, format: 'yaml', value: parseYaml(path, source) };
  return { ...common, format: 'code', value: await evaluate(path, kind) };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new PlatformError('INVALID', `Cannot read ${shown(path)}, because ${messageOf(error)}`, { next: 'let this user read it' }, { cause: error });
  }
}

async function findConfig(target: string, { name: named }: ConfigKind): Promise<string> {
  const found = await stat(target).catch(() => undefined);
  if (found?.isFile()) return target;
  if (!found) throw new PlatformError('INVALID', `Cannot find ${shown(target)}. Next: give the path of a config, or of the folder it is in`);
  for (const extension of ['.ts', '.js', '.mjs', ...DATA]) {
    const path = join(target, `${named}${extension}`);
    if ((await stat(path).catch(() => undefined))?.isFile()) return path;
  }
  throw new PlatformError(
    'INVALID',
    `Cannot find a config in ${shown(target)}, where it should be named ${named}.ts (or .js, .json, .yaml). Next: create one, or give its path`,
  );
}

/** JSON is YAML too, and this parser says where a mistake is. */
function parseYaml(path: string, source: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, uniqueKeys: true });
  const [error] = document.errors;
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    const why = error.message.split('\n')[0]?.replace(/ at line .*$/, '');
    throw new PlatformError('INVALID', `Cannot read ${shown(path)}:${line}:${col}, because ${why}`, MEND);
  }
  return document.toJS({ maxAliasCount: 100 });
}

// Node keeps modules by their URL; a config that was changed must be read anew.
let loads = 0;

const sdkUrl = new URL('../../../sdk/haven.ts', import.meta.url).href;

/** Runs the config's code here, on the client: the cluster only ever stores the data it results in. */
async function evaluate(path: string, { example }: ConfigKind): Promise<unknown> {
  // A config lies in the user's folder, where the SDK need not be installed.
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === '@haven/sdk' || specifier === 'haven' ? { url: sdkUrl, format: 'module-typescript', shortCircuit: true } : next(specifier, context),
  });
  try {
    const loaded = await inTime(import(`${pathToFileURL(path).href}?load=${++loads}`) as Promise<{ default?: unknown }>);
    if (loaded.default === undefined) throw new Error(`it has no default export. Next: write "${example}"`);
    return plainData(loaded.default);
  } catch (error) {
    throw new PlatformError('INVALID', `Cannot use ${whereThrown(error, path)}, because ${messageOf(error)}`, MEND, { cause: error });
  } finally {
    hooks.deregister();
  }
}

/** Code that waits for something that never comes would otherwise end the command without a word. */
async function inTime<Value>(loading: Promise<Value>): Promise<Value> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`it did not come to an end within ${EVALUATED_WITHIN_MS / 1_000} s`)), EVALUATED_WITHIN_MS);
  try {
    return await Promise.race([loading, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The value as JSON would carry it; a function, a date or a cycle in a config is a mistake that would otherwise vanish in silence. */
function plainData(value: unknown, path = 'the config', depth = 0): unknown {
  if (depth > 20) throw new Error(`${path} is nested more than 20 levels deep`);
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (Array.isArray(value)) return value.map((item, index) => plainData(item, `${path}[${index}]`, depth + 1));
  if (typeof value === 'object' && (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)) {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => [key, plainData(item, depth === 0 ? key : `${path}.${key}`, depth + 1)]),
    );
  }
  throw new Error(
    `${path} is ${value instanceof Date ? 'a date' : typeof value === 'object' ? 'an object of a class' : `a ${typeof value}`}, and a config may hold only text, numbers, true, false, lists and objects`,
  );
}

function whereThrown(error: unknown, path: string): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const line = new RegExp(`${basename(path).replaceAll('.', '\\.')}(?:\\?[^:]*)?:(\\d+)`).exec(stack)?.[1];
  return line ? `${shown(path)}:${line}` : shown(path);
}

/** The path as the user would type it from here. */
export function shown(path: string): string {
  const near = relative(process.cwd(), path);
  return near === '' ? '.' : near.startsWith('../..') ? path : near;
}
