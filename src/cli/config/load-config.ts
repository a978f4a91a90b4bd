import { readFile, stat } from 'node:fs/promises';
import { registerHooks } from 'node:module';
import { basename, dirname, extname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LineCounter, parseDocument } from 'yaml';
import { messageOf, PlatformError } from '#base/errors';

const CONFIG_NAMES = ['haven.config.ts', 'haven.config.js', 'haven.config.mjs', 'haven.config.json', 'haven.config.yaml', 'haven.config.yml'];
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

/** What follows a mistake that keeps a config from being read. */
const MEND = { next: 'mend it; nothing has been changed' };

/** Reads the config at `target`: a config file, or a folder that holds one. INVALID names the file, the line where known, or the names looked for, and what to do. */
export async function loadConfig(target: string): Promise<LoadedConfig> {
  const path = await findConfig(resolve(target));
  const { size } = await stat(path);
  if (size > MAX_CONFIG_BYTES)
    throw new PlatformError('TOO_LARGE', `Cannot read ${shown(path)}, because it has ${size} bytes and a config may have ${MAX_CONFIG_BYTES}`);
  const source = await readFile(path, 'utf8');
  const common = { path, directory: dirname(path), source };
  if (extname(path) === '.json' || extname(path) === '.yaml' || extname(path) === '.yml') return { ...common, format: 'yaml', value: parseYaml(path, source) };
  return { ...common, format: 'code', value: await evaluate(path) };
}

async function findConfig(target: string): Promise<string> {
  const kind = await stat(target).catch(() => undefined);
  if (kind?.isFile()) return target;
  if (!kind) throw new PlatformError('INVALID', `Cannot find ${shown(target)}. Next: give the path of a config, or of the folder it is in`);
  for (const name of CONFIG_NAMES) {
    const path = join(target, name);
    if ((await stat(path).catch(() => undefined))?.isFile()) return path;
  }
  throw new PlatformError(
    'INVALID',
    `Cannot find a config in ${shown(target)}, where it should be named ${CONFIG_NAMES[0]} (or .js, .json, .yaml). Next: create one, or give its path`,
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
async function evaluate(path: string): Promise<unknown> {
  // A config lies in the user's folder, where the SDK need not be installed.
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === '@haven/sdk' || specifier === 'haven' ? { url: sdkUrl, format: 'module-typescript', shortCircuit: true } : next(specifier, context),
  });
  try {
    const loaded = await inTime(import(`${pathToFileURL(path).href}?load=${++loads}`) as Promise<{ default?: unknown }>);
    if (loaded.default === undefined) throw new Error('it has no default export. Next: write "export default defineApp({ … })"');
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
