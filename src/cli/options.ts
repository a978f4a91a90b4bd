import { parseDurationMs } from '#base/duration';
import { PlatformError } from '#base/errors';
import type { CommandOptions } from './command.ts';

/** The text of an option, `undefined` if it was not given. */
export function textOption(options: CommandOptions, name: string): string | undefined {
  const value = options[name];
  return typeof value === 'string' ? value : undefined;
}

/** All texts of a repeatable option, in order. */
export function listOption(options: CommandOptions, name: string): readonly string[] {
  const value = options[name];
  return Array.isArray(value) ? value : typeof value === 'string' ? [value] : [];
}

/** A whole number of at least `least`; INVALID names the option and what was given. */
export function wholeOption(options: CommandOptions, name: string, least = 0): number | undefined {
  const text = textOption(options, name);
  return text === undefined ? undefined : parseWhole(text, { what: flagOf(name), least });
}

/** `5m` as milliseconds; INVALID names the option. */
export function durationOption(options: CommandOptions, name: string): number | undefined {
  const text = textOption(options, name);
  if (text === undefined) return undefined;
  // `0` needs no unit.
  if (text === '0') return 0;
  try {
    return parseDurationMs(text);
  } catch (cause) {
    throw new PlatformError('INVALID', `Cannot use "${text}" for ${flagOf(name)}, because it is not a duration such as 30s or 5m`, {}, { cause });
  }
}

/** A whole number of at least `least` in `text`; INVALID says what it was meant for. */
export function parseWhole(text: string, options: { readonly what: string; readonly least: number }): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value) || value < options.least) {
    throw new PlatformError('INVALID', `Cannot use "${text}" for ${options.what}, because it is not a whole number of at least ${options.least}`);
  }
  return value;
}

function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
