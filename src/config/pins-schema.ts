import { z } from 'zod';
import type { PinsConfig } from './config.ts';
import { mistake, quote, value } from './parsed.ts';
import { cookieName, duration, headerName, object, parseHeaderName, text } from './values.ts';

const KINDS = ['none', 'cookie', 'ip'] as const;
const CHOICES = 'none, cookie, ip, or {header: NAME}';
const DEFAULT_COOKIE = 'tealgate_pin';
/** Browsers keep no cookie longer than 400 days. */
const LONGEST_COOKIE_MS = 400 * 86_400_000;

/** `header: NAME` as one text, for those who read the documentation's shorthand literally. */
const headerText = text(
  (raw) => {
    const named = /^header:\s*(.*)$/.exec(raw)?.[1];
    if (named === undefined) return mistake(`${quote(raw)} is not one of ${CHOICES}`);
    const header = parseHeaderName(named);
    return header.ok ? value({ header: header.value }) : header;
  },
  { pattern: '^header:' },
);

const bySchema = z.union(
  [z.enum([...KINDS, 'header']), headerText, object({ header: headerName.describe('Whose value is the client.') })],
  {
    error: `give one of ${CHOICES}`,
  },
);

const pinsMap = object({
  by: bySchema.describe('`none`, `cookie`, `ip`, or `{header: NAME}`.'),
  header: headerName.optional().describe('With `by: header`: whose value is the client.'),
  name: cookieName.optional().describe('With `by: cookie`: its name; default `tealgate_pin`.'),
  maxAge: duration({ maxMs: LONGEST_COOKIE_MS })
    .optional()
    .describe('With `by: cookie`: how long browsers keep it; default `0s`, until the browser closes.'),
}).transform((pins, context): PinsConfig => {
  const complain = (key: string, message: string): PinsConfig => {
    context.addIssue({ code: 'custom', path: [key], message });
    return z.NEVER;
  };
  const kind = typeof pins.by === 'object' ? 'header' : pins.by;
  if (kind !== 'cookie' && pins.name !== undefined) return complain('name', 'belongs to `by: cookie`; remove it');
  if (kind !== 'cookie' && pins.maxAge !== undefined) return complain('maxAge', 'belongs to `by: cookie`; remove it');
  if (kind !== 'header' && pins.header !== undefined) return complain('header', 'belongs to `by: header`; remove it');
  if (kind === 'none' || kind === 'ip') return { by: kind };
  if (kind === 'cookie') {
    const maxAgeMs = pins.maxAge ?? 0;
    if (maxAgeMs % 1000 !== 0) return complain('maxAge', 'is not a number of whole seconds; write one such as 1h');
    return { by: 'cookie', name: pins.name ?? DEFAULT_COOKIE, maxAgeS: maxAgeMs / 1000 };
  }
  const named = typeof pins.by === 'object' ? pins.by.header : undefined;
  if (named !== undefined && pins.header !== undefined)
    return complain('header', 'is named in `by` as well; keep one of them');
  const header = named ?? pins.header;
  return header === undefined ? complain('by', 'names no header; write {header: NAME}') : { by: 'header', header };
});

/** `none`, `cookie`, `ip`, or a map with `by`. */
export const pinsSchema = z.union(
  [
    z.enum(KINDS).transform((by): PinsConfig => (by === 'cookie' ? { by, name: DEFAULT_COOKIE, maxAgeS: 0 } : { by })),
    pinsMap,
  ],
  { error: `give one of none, cookie, ip, or a map with \`by\`` },
);
