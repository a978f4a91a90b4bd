import { z } from 'zod';
import type { Endpoint } from './endpoint.ts';

/** The API described in OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0), made from the very rows that serve it. */
export function openApi(endpoints: readonly Endpoint[], version: string): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const endpoint of endpoints) {
    const path = endpoint.path.replaceAll(/:(\w+)/g, '{$1}');
    const operations = paths[path] ?? {};
    operations[endpoint.method.toLowerCase()] = operation(endpoint);
    paths[path] = operations;
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Haven', version },
    paths,
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    security: [{ token: [] }],
  };
}

function operation({ path, summary, body, query, takesBytes, roles, answers }: Endpoint): unknown {
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
  const content = takesBytes ? { 'application/octet-stream': {} } : body && { 'application/json': { schema: schemaOf(body) } };
  return {
    summary: `${summary} (${roles.join(', ')})`,
    parameters: [...inPath, ...(query ? queryParameters(query) : [])],
    ...(content ? { requestBody: { required: true, content } } : {}),
    responses: { 200: { description: answers }, default: { description: 'ErrorBody' } },
  };
}

function queryParameters(query: z.ZodType): unknown[] {
  const { properties = {}, required = [] } = schemaOf(query) as {
    readonly properties?: Readonly<Record<string, unknown>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', required: required.includes(name), schema }));
}

function schemaOf(schema: z.ZodType): unknown {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return rest;
}
