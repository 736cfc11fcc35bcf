import { z } from 'zod';
import { configSchema } from './schema.ts';

type JsonSchema = Readonly<Record<string, unknown>>;

/** The JSON Schema (draft 2020-12) of the configuration file, for completion and checks in editors. */
export function configJsonSchema(): JsonSchema {
  const generated: JsonSchema = z.toJSONSchema(configSchema, { io: 'input', target: 'draft-2020-12' });
  const { $schema, ...rest } = allowReferences(generated);
  return { $schema, title: 'Tealgate configuration', ...rest };
}

const REFERENCE = '\\$\\{';
const SUBSCHEMAS = ['additionalProperties', 'items'] as const;

/** Any value may also be a reference in text (`weight: "${WEIGHT}"`); names (keys) may not. */
function allowReferences(schema: JsonSchema): JsonSchema {
  const result: Record<string, unknown> = { ...schema };
  for (const key of SUBSCHEMAS) if (isSchema(schema[key])) result[key] = allowReferences(schema[key]);
  if (isSchema(schema.properties)) {
    result.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([key, value]) => [key, isSchema(value) ? allowReferences(value) : value]),
    );
  }
  for (const key of ['anyOf', 'oneOf'] as const) {
    const branches = schema[key];
    if (Array.isArray(branches))
      result[key] = branches.map((branch) => (isSchema(branch) ? allowReferences(branch) : branch));
  }
  return orReference(result);
}

function orReference(schema: JsonSchema): JsonSchema {
  const { type, pattern } = schema;
  if (typeof pattern === 'string') return { ...schema, pattern: `(${pattern})|${REFERENCE}` };
  const { description, default: initial, ...check } = schema;
  if (type !== 'integer' && type !== 'boolean' && !Array.isArray(check.enum)) return schema;
  return {
    ...(description === undefined ? {} : { description }),
    ...(initial === undefined ? {} : { default: initial }),
    anyOf: [check, { type: 'string', pattern: REFERENCE }],
  };
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
