import { ok } from 'node:assert/strict';
import { test } from 'node:test';
import type { AppSettings, ServiceConfig } from '@haven/sdk';
import type { z } from 'zod';
import type { serviceSchema, settingsSchema } from './spec-schema.ts';

/** `readonly` does not matter here, and an optional key may also be undefined in what zod says. */
type Plain<Value> = Value extends readonly (infer Item)[]
  ? Plain<Item>[]
  : Value extends object
    ? { -readonly [Key in keyof Value]: Plain<Exclude<Value[Key], undefined>> }
    : Value;

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;

test("the SDK's types of a config and the schema of the cluster are the same", () => {
  const service: Same<Plain<ServiceConfig>, Plain<z.input<typeof serviceSchema>>> = true;
  const settings: Same<Plain<Omit<AppSettings, 'environments'>>, Plain<z.input<typeof settingsSchema>>> = true;
  const serviceKeys: Same<keyof ServiceConfig, keyof z.input<typeof serviceSchema>> = true;
  const settingKeys: Same<keyof Omit<AppSettings, 'environments'>, keyof z.input<typeof settingsSchema>> = true;
  ok(service && settings && serviceKeys && settingKeys);
});

test('the comparison of types can fail', () => {
  // @ts-expect-error A key more on one side is a difference.
  const keys: Same<keyof ServiceConfig | 'other', keyof z.input<typeof serviceSchema>> = true;
  ok(keys);
});
