import { z } from 'zod';
import { nearest } from './nearest.ts';
import { NOT_YET } from './spec-schema.ts';

/** One mistake in a config: where, what must be, and what was probably meant. */
export interface SpecIssue {
  /** Keys from the outside in; numbers of list items as text. */
  readonly path: readonly string[];
  /** Goes on after the path: `must be …`, `is not a key here …`. */
  readonly message: string;
  readonly nearest?: string;
}

/** What the schema found wrong with `value`, each issue with the keys above it in `at`. */
export function issuesOf(schema: z.ZodType, options: { readonly value: unknown; readonly error: z.ZodError; readonly at: readonly string[] }): SpecIssue[] {
  const { value, error, at } = options;
  const found = flatten(error.issues, []).flatMap((issue) => {
    const inside = issue.path.map(String);
    const path = [...at, ...inside];
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(key, { path, validKeys: keysAt(schema, inside) }));
    return [describe(issue, { path, actual: valueAt(value, inside) })];
  });
  // Next to a key that this version does not know yet, what is missing is what it stands for.
  const notYet = new Set(found.filter((issue) => isNotYet(issue.path.at(-1) ?? '')).map((issue) => parentOf(issue.path)));
  return found.filter((issue) => !(issue.message.startsWith('is missing') && notYet.has(parentOf(issue.path))));
}

/** Of a union, the issues of the one member that was meant, if its form tells which. */
function flatten(issues: readonly z.core.$ZodIssue[], above: readonly PropertyKey[]): z.core.$ZodIssue[] {
  return issues.flatMap((issue) => {
    const path = [...above, ...issue.path];
    if (issue.code === 'invalid_union') {
      const [meant, other] = issue.errors.filter((member) => !member.some((inner) => inner.path.length === 0 && isOfAnotherForm(inner)));
      if (meant && !other) return flatten(meant, path);
    }
    return [{ ...issue, path }];
  });
}

function isOfAnotherForm(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'invalid_type' || issue.code === 'invalid_union' || (issue.code === 'invalid_format' && issue.format === 'template_literal');
}

function isNotYet(key: string): boolean {
  return Object.hasOwn(NOT_YET, key);
}

function parentOf(path: readonly string[]): string {
  return JSON.stringify(path.slice(0, -1));
}

/** The issue of a key that does not exist, with the one that was probably meant. */
export function unknownKey(key: string, where: { readonly path: readonly string[]; readonly validKeys: readonly string[] }): SpecIssue {
  const path = [...where.path, key];
  const notYet = isNotYet(key) ? NOT_YET[key] : undefined;
  if (notYet) return { path, message: notYet };
  const meant = nearest(key, where.validKeys);
  const allowed = `known here: ${where.validKeys.join(', ')}`;
  return { path, message: `is not a known key; ${meant ? `did you mean "${meant}"? ` : ''}${allowed}`, ...(meant ? { nearest: meant } : {}) };
}

function describe(issue: z.core.$ZodIssue, found: { readonly path: readonly string[]; readonly actual: unknown }): SpecIssue {
  const { path, actual } = found;
  if (actual === undefined && (issue.code === 'invalid_type' || issue.code === 'invalid_union'))
    return { path, message: `is missing${issue.message.startsWith('must') ? `: it ${issue.message}` : ''}` };
  // Our own messages begin with "must"; zod's own texts name types only.
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid')) {
    return { path, message: `must be ${TYPE_NAMES[issue.expected] ?? issue.expected}, not ${typeOf(actual)}` };
  }
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String);
    const meant = typeof actual === 'string' ? nearest(actual, values) : undefined;
    const allowed = issue.values.map((value) => JSON.stringify(value)).join(' or ');
    return { path, message: `must be ${allowed}, not ${shown(actual)}`, ...(meant ? { nearest: meant } : {}) };
  }
  return { path, message: issue.message };
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
};

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return TYPE_NAMES[typeof value] ?? typeof value;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= 60 ? text : typeOf(value);
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as Readonly<Record<string, unknown>>)[key];
  }
  return here;
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly anyOf?: readonly JsonSchema[];
}

/** The keys an object may have at this place, read off the schema's own JSON Schema. */
function keysAt(schema: z.ZodType, path: readonly string[]): readonly string[] {
  const root = z.toJSONSchema(schema, { io: 'input' }) as JsonSchema;
  let here: readonly JsonSchema[] = alternatives(root);
  for (const key of path) {
    here = here.flatMap((one) =>
      [one.properties?.[key], one.items, one.additionalProperties].flatMap((next) => (typeof next === 'object' ? alternatives(next) : [])),
    );
  }
  return here.flatMap((one) => Object.keys(one.properties ?? {}));
}

function alternatives(schema: JsonSchema): readonly JsonSchema[] {
  return schema.anyOf ? schema.anyOf.flatMap(alternatives) : [schema];
}
