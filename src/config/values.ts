import { z } from 'zod';
import { describeIssue, mismatch } from './issues.ts';
import { mistake, type Parsed, quote, value } from './parsed.ts';
import {
  DURATION_PATTERN,
  formatDuration,
  formatSize,
  PERCENT_PATTERN,
  parseDuration,
  parsePercent,
  parseSize,
  SIZE_PATTERN,
} from './units.ts';

/** The longest timer Node.js can set is 2^31-1 ms. */
const LONGEST_MS = 24 * 86_400_000;

/** A token of RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;

/** A map of fixed keys; anything else in it is an error that knows them. */
export function object<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape).join(' ');
  // `toFindings` takes the known keys from here to say which was meant.
  return z.strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? known : undefined) });
}

/** Text that `parse` reads; its mistake becomes the error. `example` is what is right when there is no text at all. */
export function text<T>(
  parse: (text: string) => Parsed<T>,
  meta: { readonly pattern?: string; readonly example?: string } = {},
) {
  const { pattern, example } = meta;
  return z
    .string({ error: (issue) => notText(issue.input, parse, example) })
    .meta({ ...(pattern === undefined ? {} : { pattern }), ...(example === undefined ? {} : { examples: [example] }) })
    .transform((raw, context): T => {
      const parsed = parse(raw);
      if (parsed.ok) return parsed.value;
      context.addIssue({ code: 'custom', message: parsed.mistake });
      return z.NEVER;
    });
}

/** Milliseconds from `30s`; `minMs` 0 unless given. */
export function duration(options: { readonly minMs?: number; readonly maxMs?: number } = {}) {
  const { minMs = 0, maxMs = LONGEST_MS } = options;
  return text(
    (raw) => {
      const parsed = parseDuration(raw);
      if (!parsed.ok) return parsed;
      if (parsed.value < minMs) return mistake(`${raw} is too short; at least ${formatDuration(minMs)}`);
      if (parsed.value > maxMs) return mistake(`${raw} is too long; at most ${formatDuration(maxMs)}`);
      return parsed;
    },
    { pattern: DURATION_PATTERN },
  );
}

/** Bytes from `16KiB`; `none` (Infinity) only where `maxBytes` is Infinity. */
export function size(options: { readonly minBytes: number; readonly maxBytes: number }) {
  return text(
    (raw) => {
      const parsed = parseSize(raw);
      if (!parsed.ok) return parsed;
      if (parsed.value < options.minBytes)
        return mistake(`${raw} is too small; at least ${formatSize(options.minBytes)}`);
      if (parsed.value > options.maxBytes)
        return mistake(`${raw} is too large; at most ${formatSize(options.maxBytes)}`);
      return parsed;
    },
    { pattern: SIZE_PATTERN },
  );
}

/** A share from `1%`; `accepts` narrows it and `range` says in words to what. */
export function percent(accepts: (share: number) => boolean, range: string) {
  return text(
    (raw) => {
      const parsed = parsePercent(raw);
      return parsed.ok && !accepts(parsed.value) ? mistake(`${raw} is out of range; ${range}`) : parsed;
    },
    { pattern: PERCENT_PATTERN },
  );
}

export function count(min: number, max: number) {
  return z
    .int({ error: (issue) => (issue.code === 'invalid_type' ? mismatch(issue.input, 'a whole number') : undefined) })
    .min(min)
    .max(max);
}

/** Names of services, upstreams and tokens: they become metric labels and parts of admin URLs. */
export function name() {
  return z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, {
    error: (issue) =>
      `${quote(String(issue.input))} is not a name; use 1 to 63 letters, digits, dots, dashes and underscores, beginning with a letter or digit`,
  });
}

/** A field name of HTTP, in lower case. */
export const headerName = text(parseHeaderName, { example: 'x-user-id' });

/** A field name as the key of a map, as it was written. */
export const headerKey = z.string().regex(TOKEN, {
  error: (issue) => `${quote(String(issue.input))} is not a header name; write one such as x-user-id`,
});

export function parseHeaderName(raw: string): Parsed<string> {
  return TOKEN.test(raw)
    ? value(raw.toLowerCase())
    : mistake(`${quote(raw)} is not a header name; write one such as x-user-id`);
}

/** A cookie name. */
export const cookieName = text((raw) =>
  TOKEN.test(raw)
    ? value(raw)
    : mistake(`${quote(raw)} is not a cookie name; use letters, digits, dashes and underscores`),
);

/** Path and query of a request of ours (health check, smoke request). */
export const requestPath = text(
  (raw) => {
    if (!raw.startsWith('/')) return mistake(`${quote(raw)} is not a path; it begins with /`);
    return /^[!-"$-~]+$/.test(raw)
      ? value(raw)
      : mistake(`${quote(raw)} has a character that a path cannot have; write it percent-encoded`);
  },
  { pattern: '^/', example: '/healthz' },
);

/** A prefix matched on whole segments; a trailing slash makes no difference. */
export const pathPrefix = text(
  (raw) => {
    if (!raw.startsWith('/')) return mistake(`${quote(raw)} is not a path prefix; it begins with /`);
    if (raw.includes('*'))
      return mistake(`${quote(raw)} has a wildcard; a prefix such as /api matches everything beneath it`);
    if (!/^[!-"$->@-~]+$/.test(raw))
      return mistake(`${quote(raw)} has a query, a fragment or a blank; write a prefix such as /api`);
    if (/\/(\/|\.\.?(\/|$))/.test(raw))
      return mistake(`${quote(raw)} has an empty, . or .. segment; write a prefix such as /api`);
    return value(raw.length > 1 && raw.endsWith('/') ? raw.slice(0, -1) : raw);
  },
  { pattern: '^/' },
);

/** Options for every parse against these pieces. */
export const PARSE_OPTIONS = { error: describeIssue } as const;

/** A number gets the hint that its text would get: `30` lacks a unit. */
function notText<T>(
  input: unknown,
  parse: (text: string) => Parsed<T>,
  example: string | undefined,
): string | undefined {
  if (typeof input === 'number') {
    const parsed = parse(String(input));
    if (!parsed.ok) return parsed.mistake;
  }
  return input === undefined && example !== undefined ? `is missing; write one such as ${example}` : undefined;
}
