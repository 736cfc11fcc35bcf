import { configJsonSchema } from '../src/config/json-schema.ts';
import { DURATION_PATTERN, PERCENT_PATTERN, SIZE_PATTERN } from '../src/config/units.ts';

type Schema = Readonly<Record<string, unknown>>;

interface Row {
  readonly key: string;
  readonly type: string;
  readonly initial: string;
  readonly meaning: string;
}

/** Tables of their own, each holding all that lies under it and not under a later one. */
const SECTIONS = [
  '',
  'listeners[]',
  'admin',
  'store',
  'shutdown',
  'prometheus.NAME',
  'webhooks.NAME',
  'notifications[]',
  'services.NAME',
  'services.NAME.rollout',
] as const;

/** Keys whose content is that of another, described there. */
const SAME_AS = { 'services.NAME.rollout.stages[].guards': 'services.NAME.rollout.guards' } as const;

/** Every key of the configuration file as Markdown tables: type, default and meaning, from the schema itself. */
export function renderConfigReference(): string {
  const rows = rowsUnder(configJsonSchema(), '');
  return SECTIONS.map((section) => {
    const own = rows.filter((row) => sectionOf(row.key) === section);
    const lines = own.map(({ key, type, initial, meaning }) => {
      const name = section === '' ? key : key.slice(section.length + 1);
      return `| \`${name}\` | ${type} | ${initial} | ${meaning} |`;
    });
    return [
      `### ${section === '' ? 'Top level' : `\`${section}\``}`,
      '',
      '| key | type | default | meaning |',
      '| --- | --- | --- | --- |',
      ...lines,
    ].join('\n');
  }).join('\n\n');
}

function sectionOf(key: string): string {
  return SECTIONS.findLast((section) => key.startsWith(`${section}.`)) ?? '';
}

function rowsUnder(schema: Schema, path: string): Row[] {
  const { properties } = schema;
  const required = Array.isArray(schema.required) ? schema.required : [];
  if (!isSchema(properties)) return [];
  return Object.entries(properties).flatMap(([name, property]) => {
    if (!isSchema(property)) return [];
    const key = path === '' ? name : `${path}.${name}`;
    const row: Row = {
      key,
      type: alternatives(property).map(typeOf).join(', or '),
      initial: initialOf(property, required.includes(name)),
      meaning: String(property.description).replaceAll('|', '\\|'),
    };
    return [row, ...(key in SAME_AS ? [] : alternatives(property).flatMap((branch) => rowsInside(branch, key)))];
  });
}

function rowsInside(schema: Schema, key: string): Row[] {
  if (isSchema(schema.items)) return rowsUnder(schema.items, `${key}[]`);
  const { additionalProperties: other } = schema;
  if (!isSchema(schema.properties)) return isSchema(other) ? rowsUnder(other, `${key}.NAME`) : [];
  const others = isSchema(other) ? rowsUnder({ properties: { NAME: other } }, key).slice(0, 1) : [];
  return [...rowsUnder(schema, key), ...others];
}

/** The branches of a value, without the one that any value has: a reference in text. */
function alternatives(schema: Schema): Schema[] {
  if (!Array.isArray(schema.anyOf)) return [schema];
  return schema.anyOf
    .filter(isSchema)
    .filter((branch) => !isReference(branch))
    .flatMap(alternatives);
}

function isReference(schema: Schema): boolean {
  return schema.type === 'string' && schema.pattern === '\\$\\{';
}

function typeOf(schema: Schema): string {
  const { type, pattern } = schema;
  if (typeof schema.const === 'string') return `\`${schema.const}\``;
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (type === 'integer') return `${schema.minimum} to ${schema.maximum}`;
  if (type === 'boolean') return 'true or false';
  if (type === 'array')
    return `list of ${isSchema(schema.items) ? alternatives(schema.items).map(typeOf).join(', or ') : 'anything'}`;
  if (Array.isArray(schema.oneOf)) return 'map';
  if (type === 'object') return isSchema(schema.additionalProperties) ? 'map of names' : 'map';
  if (typeof pattern === 'string') return patterned(pattern);
  return 'text';
}

function patterned(pattern: string): string {
  if (pattern.includes(DURATION_PATTERN)) return 'duration';
  if (pattern.includes(SIZE_PATTERN)) return 'size';
  if (pattern.includes(PERCENT_PATTERN)) return 'percentage';
  return 'text';
}

function initialOf(schema: Schema, required: boolean): string {
  const { default: initial } = schema;
  if (required) return 'required';
  if (initial === undefined || (isSchema(initial) && Object.keys(initial).length === 0)) return '';
  if (Array.isArray(initial) && initial.length === 0) return 'none';
  return `\`${typeof initial === 'string' ? initial : JSON.stringify(initial)}\``;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
