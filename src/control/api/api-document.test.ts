import { equal } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { HTTP_STATUS } from '../wire-error.ts';
import type { Endpoint } from './endpoint.ts';
import { openApi } from './open-api.ts';
import { ENDPOINTS } from './server.ts';

interface Operation {
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly requestBody?: {
    readonly content: Readonly<
      Record<string, { readonly schema?: { readonly properties?: Readonly<Record<string, unknown>>; readonly required?: readonly string[] } }>
    >;
  };
}

/** The row of the reference for an endpoint: who may, what it takes and answers. */
function rowOf(endpoint: Endpoint): string {
  const { method, path, summary, roles, answers } = endpoint;
  const { paths } = openApi([endpoint], '0') as { readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> };
  const operation = Object.values(paths)[0]?.[method.toLowerCase()];
  const body = operation?.requestBody?.content['application/json']?.schema;
  const inBody = Object.keys(body?.properties ?? {}).map((name) => (body?.required?.includes(name) ? name : `${name}?`));
  const inQuery = (operation?.parameters ?? [])
    .filter((parameter) => parameter.in === 'query')
    .map(({ name, required }) => `?${name}=${required ? ' (needed)' : ''}`);
  const takes = endpoint.takesBytes ? ['the bytes'] : [...inBody, ...inQuery].map((text) => `\`${text}\``);
  const who = roles.join() === 'admin' ? '' : `; for ${roles.join(' and ')}`;
  return `| \`${method} ${path.replaceAll(/:(\w+)/g, (_match, name: string) => name.toUpperCase())}\` | ${summary}${who} | ${takes.join(', ')} | ${answers} |`;
}

test('docs/api.md has exactly the rows of the API and the status of every code', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/api.md'), 'utf8');
  const rows = text.split('\n').filter((line) => /^\| `[A-Z]+ \/v1\/(?!store)/.test(line));
  equal(rows.join('\n'), ENDPOINTS.map(rowOf).join('\n'));
  const codes = text.split('\n').filter((line) => /^\| [A-Z_]+ \| \d+ \|/.test(line));
  equal(
    codes.map((line) => line.split(' | ').slice(0, 2).join(' | ')).join('\n'),
    Object.entries(HTTP_STATUS)
      .map(([code, status]) => `| ${code} | ${status}`)
      .join('\n'),
  );
});
