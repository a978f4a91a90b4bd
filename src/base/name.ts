import type { Brand } from './brand.ts';
import { PlatformError } from './errors.ts';

/** A name a person gave to an app, service, pool, node or secret: `[a-z0-9-]{1,40}`, no leading or trailing hyphen. */
export type Name = Brand<string, 'Name'>;

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

export function isName(text: string): text is Name {
  return NAME.test(text);
}

/** The text as a Name; INVALID says what `kind` of name is wrong and what is allowed. */
export function parseName(text: string, kind: string): Name {
  if (isName(text)) return text;
  throw new PlatformError(
    'INVALID',
    `Cannot use "${text.slice(0, 60)}" as the name of ${kind}, because a name is 1 to 40 of a-z, 0-9 and "-", and neither begins nor ends with "-"`,
    { kind },
  );
}
