// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references look like this
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { renderConfigReference } from '../../scripts/config-reference.ts';
import { configJsonSchema } from '../../src/config/json-schema.ts';
import { formatProblem, loadConfig } from '../../src/config/load.ts';

const directory = fileURLToPath(new URL('../../config/', import.meta.url));
const schemaText = readFileSync(`${directory}schema.json`, 'utf8');
const examples = readdirSync(directory).filter((name) => name.endsWith('.yaml'));
const env = { ADMIN_TOKEN: 'a-token-of-the-examples' };

describe('the example configurations', () => {
  it('are there', () => {
    expect(examples.toSorted()).toEqual([
      'blue-green.yaml',
      'canary.yaml',
      'full.yaml',
      'guarded.yaml',
      'tealgate.yaml',
    ]);
  });

  it.each(examples)('%s is accepted without a warning', (name) => {
    const result = loadConfig(directory + name, env);
    expect(result.ok ? result.warnings.map(formatProblem) : result.problems.map(formatProblem)).toEqual([]);
  });

  it.each(examples)('%s names the schema for editors, and fits it', (name) => {
    const text = readFileSync(directory + name, 'utf8');
    expect(text).toMatch(/^# yaml-language-server: \$schema=\.\/schema\.json\n/);
    expect(z.fromJSONSchema(JSON.parse(schemaText)).safeParse(parse(text)).error?.issues).toBeUndefined();
  });

  it('full.yaml has every key of the schema', () => {
    const text = readFileSync(`${directory}full.yaml`, 'utf8');
    for (const key of keysOf(configJsonSchema())) expect(text, key).toMatch(new RegExp(`\\b${key}:`));
  });
});

describe('the reference in docs/configuration.md', () => {
  it('is the one that the code generates (npm run generate)', () => {
    const text = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
    expect(text).toContain(renderConfigReference());
  });
});

describe('the JSON Schema', () => {
  it('is the one that the code generates (npm run generate)', () => {
    expect(JSON.parse(schemaText)).toEqual(configJsonSchema());
  });

  it('describes every key', () => {
    const undescribed: string[] = [];
    walk(configJsonSchema(), '', (path, schema) => {
      if (typeof schema.description !== 'string') undescribed.push(path);
    });
    expect(undescribed).toEqual([]);
  });

  it.each([
    ['services: {s: {upstreams: {a: {weight: "${W}", targets: ["${T}"]}}}, t: 1}', false],
    [
      'services: {s: {upstreams: {a: {weight: "${W}", targets: ["${T}"]}}, drain: {timeout: "${D}"}, expose: "${E}"}}',
      true,
    ],
    ['services: {s: {upstreams: {a: {weight: "1", targets: []}}}}', false],
    ['services: {s: {upstreams: {a: {weight: 1, targets: []}}, drain: {timeout: 30}}}', false],
    ['workers: 1', false],
  ])('knows whether %s fits: %s', (text, fits) => {
    expect(z.fromJSONSchema(JSON.parse(schemaText)).safeParse(parse(text)).success).toBe(fits);
  });
});

type JsonSchema = Readonly<Record<string, unknown>>;

/** Visits every key of a map of fixed keys. */
function walk(schema: JsonSchema, path: string, visit: (path: string, schema: JsonSchema) => void): void {
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'properties' && isSchema(value)) {
      for (const [name, property] of Object.entries(value)) {
        if (!isSchema(property)) continue;
        visit(`${path}.${name}`, property);
        walk(property, `${path}.${name}`, visit);
      }
    } else if (Array.isArray(value)) {
      for (const branch of value) if (isSchema(branch)) walk(branch, path, visit);
    } else if (isSchema(value)) walk(value, path, visit);
  }
}

function keysOf(schema: JsonSchema): Set<string> {
  const keys = new Set<string>();
  walk(schema, '', (path) => keys.add(path.slice(path.lastIndexOf('.') + 1)));
  return keys;
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
