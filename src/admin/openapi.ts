import { z } from 'zod';
import { VERSION } from '../platform/version.ts';
import type { Route } from './route.ts';
import { problemSchema } from './schemas/common.ts';

type Json = Record<string, unknown>;

const ERRORS: Readonly<Record<number, string>> = {
  400: 'The request is not valid.',
  401: 'A token is needed, or this one is not known.',
  403: 'Not with this role, or from this Host or Origin.',
  404: 'No such service, upstream or rollout.',
  409: 'Not now; the detail says why.',
  412: 'The service is at another version than If-Match names.',
  413: 'The body is larger than 64 KiB.',
  415: 'The body is not application/json.',
  422: 'The configuration file is not valid.',
  429: 'Too many links were refused.',
  503: 'Not now.',
};

/** The OpenAPI 3.1 document of these calls. */
export function openapiDocument(routes: readonly Route[]): Json {
  const named = new NamedSchemas();
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = paths[route.path] ?? {};
    paths[route.path] = path;
    path[route.method.toLowerCase()] = operation(route, named);
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Tealgate admin API',
      version: VERSION,
      description: 'Drives a gate: weights, switches, drains and rollouts. Errors are problem documents (RFC 9457).',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token of admin.tokens. Without configured tokens, callers on the same machine need none.',
        },
      },
      schemas: named.all(),
    },
  };
}

function operation(route: Route, named: NamedSchemas): Json {
  const { operationId, summary, tag, access, body } = route;
  const open = access === 'probe' || access === 'page' || access === 'link';
  return {
    operationId,
    summary,
    tags: [tag],
    ...(open ? { security: [] } : { 'x-role': access }),
    ...(route.params === null && route.query === null && route.headers.length === 0
      ? {}
      : { parameters: parameters(route) }),
    ...(body === null
      ? {}
      : {
          requestBody: { required: !body.isOptional(), content: { 'application/json': { schema: named.ref(body) } } },
        }),
    responses: { [route.success.status]: success(route, named), ...errors(route, named) },
  };
}

function parameters({ params, query, headers }: Route): Json[] {
  const described = (schema: z.ZodObject, place: 'path' | 'query') => {
    return Object.entries(schema.shape).map(([name, field]) => {
      const { description, ...rest } = schemaOf(field);
      return { name, in: place, required: place === 'path', description, schema: rest };
    });
  };
  return [
    ...(params === null ? [] : described(params, 'path')),
    ...(query === null ? [] : described(query, 'query')),
    ...headers.map((header) => ({ in: 'header', required: false, schema: { type: 'string' }, ...header })),
  ];
}

function success(
  { success: { description, schema, contentType = 'application/json' } }: Route,
  named: NamedSchemas,
): Json {
  const content = { schema: schema === null ? { type: 'string' } : named.ref(schema) };
  return { description, content: { [contentType]: content } };
}

function errors(route: Route, named: NamedSchemas): Json {
  const guarded = route.access === 'probe' ? [] : [400, 401, 403];
  const statuses = [...guarded, ...(route.body === null ? [] : [413, 415]), ...route.errors];
  const problem = { 'application/problem+json': { schema: named.ref(problemSchema) } };
  const page = { ...problem, 'text/html': { schema: { type: 'string' } } };
  return Object.fromEntries(
    statuses
      .toSorted((a, b) => a - b)
      .map((status) => [
        status,
        { description: ERRORS[status] ?? '', content: route.errorPages.includes(status) ? page : problem },
      ]),
  );
}

/** Schemas that carry an id are described once and referred to; others are written where they are used. */
class NamedSchemas {
  private readonly schemas = new Map<string, Json>();

  ref(schema: z.ZodType): Json {
    // A schema with an id comes as a reference to a definition of its own.
    const { $defs = {}, ...own } = rebase(schemaOf(schema)) as Json;
    for (const [name, { id: _, ...definition }] of Object.entries($defs as Record<string, Json>)) {
      this.schemas.set(name, definition);
    }
    return own;
  }

  all(): Json {
    return Object.fromEntries([...this.schemas].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }
}

function schemaOf(schema: z.ZodType | z.core.$ZodType): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input' });
  return json;
}

/** Points references at the components of the document. */
function rebase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rebase);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [
      key,
      key === '$ref' && typeof child === 'string' ? child.replace('#/$defs/', '#/components/schemas/') : rebase(child),
    ]),
  );
}
