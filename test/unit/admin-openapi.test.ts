import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openapiDocument } from '../../src/admin/openapi.ts';
import { ROUTES } from '../../src/admin/routes.ts';

const document = JSON.parse(JSON.stringify(openapiDocument(ROUTES)));

function* every(value: unknown, key: string): Iterable<unknown> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, child] of Object.entries(value)) {
    if (name === key) yield child;
    yield* every(child, key);
  }
}

describe('the OpenAPI document', () => {
  it('in docs/ is the one that is served; `npm run generate` writes it', () => {
    expect(JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'))).toEqual(document);
  });

  it('has every call, each with an id of its own', () => {
    const operations = Object.entries<Record<string, { operationId: string }>>(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, { operationId }]) => ({
        call: `${method.toUpperCase()} ${path}`,
        operationId,
      })),
    );
    expect(operations.map(({ call }) => call).toSorted()).toEqual(
      ROUTES.map(({ method, path }) => `${method} ${path}`).toSorted(),
    );
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(ROUTES.length);
  });

  it('refers only to what it has', () => {
    for (const ref of every(document, '$ref')) {
      const name = String(ref).replace('#/components/schemas/', '');
      expect(document.components.schemas).toHaveProperty([name]);
    }
    expect([...every(document, '$defs')]).toEqual([]);
    expect([...every(document, '$schema')]).toEqual([]);
  });

  it('describes each named schema itself', () => {
    for (const schema of Object.values<object>(document.components.schemas)) {
      expect(Object.keys(schema)).toEqual(expect.arrayContaining([expect.stringMatching(/^(type|oneOf|anyOf)$/)]));
    }
    expect(document.components.schemas.Applied.properties.service).toEqual({ $ref: '#/components/schemas/Service' });
  });

  it('describes every parameter of a path', () => {
    for (const [path, item] of Object.entries<Record<string, { parameters?: { name: string; in: string }[] }>>(
      document.paths,
    )) {
      const wanted = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const { parameters = [] } of Object.values(item)) {
        expect(parameters.filter((one) => one.in === 'path').map(({ name }) => name)).toEqual(wanted);
      }
    }
  });

  it('describes itself as an object', () => {
    const { content } = document.paths['/openapi.json'].get.responses[200];
    expect(content['application/json'].schema.type).toBe('object');
  });

  it('says that a refused link is a page, or a problem where it never came to the link', () => {
    const { get, post } = document.paths['/v1/links/{action}'];
    for (const status of [403, 409, 429]) {
      expect(Object.keys(get.responses[status].content)).toEqual(['application/problem+json', 'text/html']);
      expect(Object.keys(post.responses[status].content)).toEqual(['application/problem+json']);
    }
    expect(Object.keys(get.responses[400].content)).toEqual(['application/problem+json']);
  });

  it('says which calls need an operator', () => {
    // What a link does is let in by its signature; a plan changes nothing, and is asked for with a body.
    for (const { path, method } of ROUTES.filter(
      (route) => route.access !== 'link' && route.operationId !== 'planRollout',
    )) {
      const operation = document.paths[path][method.toLowerCase()];
      expect(operation['x-role'] ?? 'none').toBe(method === 'GET' ? (operation['x-role'] ?? 'none') : 'operator');
    }
  });
});
