import { PlatformError } from '#base/errors';

/** A policy's name and options as text: `best-fit?tie=id&sample=500`. Options keep the order in which they were written. */
export interface PolicyString {
  readonly name: string;
  readonly options: ReadonlyMap<string, string>;
}

/** How one option is read and printed. `parse` answers undefined for text it does not accept. */
export interface OptionKind<Value> {
  /** What is accepted, to end the sentence "it must be …". */
  readonly accepts: string;
  readonly fallback: Value;
  parse(text: string): Value | undefined;
  print(value: Value): string;
}

/** The options a policy knows, by name. */
export type OptionKinds = Readonly<Record<string, OptionKind<unknown>>>;

/** The typed options that a table of kinds yields. */
export type OptionsOf<Kinds extends OptionKinds> = { readonly [Name in keyof Kinds]: Kinds[Name] extends OptionKind<infer Value> ? Value : never };

const NAME = /^[a-z][a-z0-9-]{0,39}$/;

/** Splits `name?key=value&…`. INVALID for an empty or malformed name, an option without a value, or one given twice. */
export function parsePolicyString(text: string): PolicyString {
  const mark = text.indexOf('?');
  const name = mark === -1 ? text : text.slice(0, mark);
  if (!NAME.test(name)) throw invalid(text, `"${name}" is not a policy name (lower-case letters, digits and dashes)`);
  const options = new Map<string, string>();
  if (mark === -1) return { name, options };
  for (const part of text.slice(mark + 1).split('&')) {
    const equals = part.indexOf('=');
    if (equals < 1 || equals === part.length - 1) throw invalid(text, `"${part}" is not an option of the form key=value`);
    const key = part.slice(0, equals);
    if (options.has(key)) throw invalid(text, `option "${key}" is given twice`);
    options.set(key, part.slice(equals + 1));
  }
  return { name, options };
}

/** The text of a policy; `parsePolicyString` reads it back to the same value. */
export function printPolicyString(policy: PolicyString): string {
  if (policy.options.size === 0) return policy.name;
  return `${policy.name}?${[...policy.options].map(([key, value]) => `${key}=${value}`).join('&')}`;
}

/** Typed options, with each absent one at its fallback. INVALID names the unknown option, or the bad value and what is accepted. */
export function readOptions<Kinds extends OptionKinds>(policy: PolicyString, kinds: Kinds): OptionsOf<Kinds> {
  for (const key of policy.options.keys()) {
    if (!Object.hasOwn(kinds, key)) {
      const known = Object.keys(kinds);
      const choice = known.length === 0 ? 'takes no options' : `knows ${known.join(', ')}`;
      throw invalid(printPolicyString(policy), `${policy.name} has no option "${key}"; it ${choice}`);
    }
  }
  const values: Record<string, unknown> = {};
  for (const [key, kind] of Object.entries(kinds)) {
    const text = policy.options.get(key);
    const value = text === undefined ? kind.fallback : kind.parse(text);
    if (text !== undefined && value === undefined) throw invalid(printPolicyString(policy), `option "${key}" is "${text}", but it must be ${kind.accepts}`);
    values[key] = value;
  }
  return values as OptionsOf<Kinds>;
}

/** The canonical text: the given options in their order, each value in its shortest form (`0.1s` becomes `100ms`). */
export function canonicalPolicy(policy: PolicyString, kinds: OptionKinds): string {
  const options = new Map<string, string>();
  for (const [key, text] of policy.options) {
    const kind = kinds[key];
    const value = kind?.parse(text);
    options.set(key, kind === undefined || value === undefined ? text : kind.print(value));
  }
  return printPolicyString({ name: policy.name, options });
}

const UNIT_MICROS = { us: 1, ms: 1_000, s: 1_000_000, m: 60_000_000, h: 3_600_000_000, d: 86_400_000_000 } as const;
const DURATION = /^(\d+(?:\.\d+)?)(us|ms|s|m|h|d)$/;

/** Reads `10us`, `1.5ms`, `2s`, `1h` to whole microseconds; undefined for anything else. */
export function parseMicros(text: string): number | undefined {
  const match = DURATION.exec(text);
  if (!match) return undefined;
  const micros = Math.round(Number(match[1]) * UNIT_MICROS[match[2] as keyof typeof UNIT_MICROS]);
  return Number.isSafeInteger(micros) ? micros : undefined;
}

/** The shortest exact text of whole microseconds: 100_000 → `100ms`. */
export function printMicros(micros: number): string {
  if (micros === 0) return '0s';
  for (const unit of ['d', 'h', 'm', 's', 'ms'] as const) {
    if (micros % UNIT_MICROS[unit] === 0) return `${micros / UNIT_MICROS[unit]}${unit}`;
  }
  return `${micros}us`;
}

/** A duration in microseconds, at least `least`. */
export function durationOption(fallback: number, least = 1): OptionKind<number> {
  return {
    accepts: `a duration such as 100ms${least > 0 ? `, at least ${printMicros(least)}` : ''}`,
    fallback,
    parse: (text) => {
      const micros = parseMicros(text);
      return micros === undefined || micros < least ? undefined : micros;
    },
    print: printMicros,
  };
}

/** A finite number within bounds. */
export function numberOption(fallback: number, bounds: { readonly least: number; readonly most?: number }): OptionKind<number> {
  const most = bounds.most ?? Number.MAX_VALUE;
  return {
    accepts: bounds.most === undefined ? `a number of at least ${bounds.least}` : `a number from ${bounds.least} to ${most}`,
    fallback,
    parse: (text) => (/^-?\d+(\.\d+)?(e-?\d+)?$/.test(text) && Number(text) >= bounds.least && Number(text) <= most ? Number(text) : undefined),
    print: String,
  };
}

/** A whole number within bounds. */
export function integerOption(fallback: number, bounds: { readonly least: number; readonly most?: number }): OptionKind<number> {
  const kind = numberOption(fallback, bounds);
  return { ...kind, accepts: kind.accepts.replace('a number', 'a whole number'), parse: (text) => (/^-?\d+$/.test(text) ? kind.parse(text) : undefined) };
}

/** One word of a fixed list; the first is the fallback. */
export function choiceOption<const Choice extends string>(choices: readonly [Choice, ...Choice[]]): OptionKind<Choice> {
  return {
    accepts: choices.length === 1 ? choices[0] : `one of ${choices.join(', ')}`,
    fallback: choices[0],
    parse: (text) => choices.find((choice) => choice === text),
    print: (value) => value,
  };
}

/** `kind`, or the word `word` for "no limit": read as Infinity. */
export function orUnlimited(kind: OptionKind<number>, word = 'all'): OptionKind<number> {
  return {
    accepts: `${kind.accepts}, or ${word}`,
    fallback: kind.fallback,
    parse: (text) => (text === word ? Number.POSITIVE_INFINITY : kind.parse(text)),
    print: (value) => (value === Number.POSITIVE_INFINITY ? word : kind.print(value)),
  };
}

/** A list of values joined by commas, at least one long. */
export function listOption(kind: OptionKind<number>, fallback: readonly number[]): OptionKind<readonly number[]> {
  return {
    accepts: `a list joined by commas, each ${kind.accepts}`,
    fallback,
    parse: (text) => {
      const values = text.split(',').map((part) => kind.parse(part));
      return values.every((value) => value !== undefined) ? values : undefined;
    },
    print: (values) => values.map((value) => kind.print(value)).join(','),
  };
}

function invalid(text: string, why: string): PlatformError {
  return new PlatformError('INVALID', `Cannot read policy "${text}", because ${why}`, { text });
}
