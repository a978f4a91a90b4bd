import { readFileSync } from 'node:fs';

/** Haven's version, as package.json says. */
export const VERSION: string = (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version: string }).version;
