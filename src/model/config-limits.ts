import type { SpecIssue } from './spec-issues.ts';

const MAX_DEPTH = 12;
const MAX_KEYS = 5_000;
const MAX_CHARACTERS = 512 * 1_024;
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** A config as plain data, or why it is none: only objects, lists, texts, finite numbers, true, false and null, within bounds. The copy has no prototypes. */
export type PlainData = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly issue: SpecIssue };

/** Copies what people sent into plain data, so that nothing below meets a getter, a prototype or a cycle. */
export function plainData(given: unknown): PlainData {
  const budget = { keys: MAX_KEYS, characters: MAX_CHARACTERS };
  try {
    return { ok: true, value: copy(given, [], budget) };
  } catch (error) {
    if (error instanceof NotPlain) return { ok: false, issue: { path: error.path, message: error.message } };
    throw error;
  }
}

class NotPlain extends Error {
  readonly path: readonly string[];

  constructor(path: readonly string[], message: string) {
    super(message);
    this.path = path;
  }
}

function copy(given: unknown, path: readonly string[], budget: { keys: number; characters: number }): unknown {
  if (typeof given === 'string') return spend(given, path, budget);
  if (given === null || typeof given === 'boolean') return given;
  if (typeof given === 'number') {
    if (Number.isFinite(given)) return given;
    throw new NotPlain(path, `must be a finite number, not ${given}`);
  }
  if (typeof given !== 'object') throw new NotPlain(path, `must be plain data, not a ${typeof given}: the cluster stores only JSON`);
  if (path.length >= MAX_DEPTH) throw new NotPlain(path, `is nested deeper than ${MAX_DEPTH} levels`);
  if (Array.isArray(given)) {
    budget.keys -= given.length;
    checkKeys(path, budget);
    return given.map((item: unknown, index) => copy(item, [...path, String(index)], budget));
  }
  return copyObject(given, path, budget);
}

function copyObject(given: object, path: readonly string[], budget: { keys: number; characters: number }): unknown {
  const prototype: unknown = Object.getPrototypeOf(given);
  if (prototype !== null && prototype !== Object.prototype && Object.getPrototypeOf(prototype) !== null) {
    throw new NotPlain(path, 'must be plain data, not an instance of a class: the cluster stores only JSON');
  }
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    if (FORBIDDEN_KEYS.has(key)) throw new NotPlain([...path, key], 'is refused as a key');
    spend(key, path, budget);
    budget.keys -= 1;
    checkKeys(path, budget);
    // What is undefined is not there, as in JSON.
    if (value !== undefined) result[key] = copy(value, [...path, key], budget);
  }
  return result;
}

function spend(text: string, path: readonly string[], budget: { characters: number }): string {
  budget.characters -= text.length;
  if (budget.characters < 0) throw new NotPlain(path, `is too large: a config has at most ${MAX_CHARACTERS} characters`);
  return text;
}

function checkKeys(path: readonly string[], budget: { readonly keys: number }): void {
  if (budget.keys < 0) throw new NotPlain(path, `is too large: a config has at most ${MAX_KEYS} keys and items`);
}
