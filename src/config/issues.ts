import type { z } from 'zod';
import { quote } from './parsed.ts';
import type { Finding, Path } from './problem.ts';
import { suggest } from './suggest.ts';

/** What a plain validation error says: what was found, and what would be right. For zod's per-parse `error`. */
export function describeIssue(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return `is missing; give ${NOUNS[issue.expected] ?? issue.expected}`;
      return mismatch(issue.input, NOUNS[issue.expected] ?? issue.expected);
    case 'invalid_value':
      return notOneOf(issue.input, issue.values.map(String));
    case 'too_small':
      if (Array.isArray(issue.input) && issue.input.length > 0) return `is too short; give at least ${issue.minimum}`;
      return issue.origin === 'string' || issue.origin === 'array'
        ? `is empty; give at least ${issue.minimum === 1 ? 'one' : issue.minimum}${issue.origin === 'array' ? '' : ' character'}`
        : `${shown(issue.input)} is too small; at least ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'string' || issue.origin === 'array'
        ? `is too long; at most ${issue.maximum}`
        : `${shown(issue.input)} is too large; at most ${issue.maximum}`;
    default:
      return 'is not valid here';
  }
}

/** The message for a value of the wrong type. `wanted` reads like `a list`. */
export function mismatch(input: unknown, wanted: string): string {
  if (input === undefined) return `is missing; give ${wanted}`;
  if (input === null) return `is empty; give ${wanted}`;
  if (wanted === NOUNS.string && (typeof input === 'number' || typeof input === 'boolean')) {
    return `is ${kindOf(input)}, not text; put it in quotes`;
  }
  if (wanted === NOUNS.int && typeof input === 'string' && /^\d+$/.test(input)) {
    return `${shown(input)} is text; write it without quotes`;
  }
  if (wanted === NOUNS.int && (typeof input === 'number' || typeof input === 'string')) {
    return `${shown(input)} is not a whole number`;
  }
  return `is ${kindOf(input)}; give ${wanted}`;
}

/** Flat findings of zod issues: unions resolved to the branch that was meant, one finding for each unknown key. */
export function toFindings(issues: readonly z.core.$ZodIssue[], prefix: Path = []): Finding[] {
  return issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))];
    if (issue.code === 'unrecognized_keys') {
      const known = issue.message.split(' ').filter((name) => name !== '');
      return issue.keys.map(
        (key): Finding => ({ path: [...path, key], atKey: true, unknownKey: true, message: unknownKey(key, known) }),
      );
    }
    if (issue.code === 'invalid_union') {
      const meant = issue.errors.find((branch) => !branch.some(rejectsWhole));
      if (meant !== undefined) return toFindings(meant, path);
    }
    if (issue.code === 'invalid_key') {
      return [{ path, atKey: true, message: issue.issues[0]?.message ?? issue.message }];
    }
    return [{ path, message: issue.message }];
  });
}

const NOUNS: Readonly<Record<string, string>> & { readonly string: string; readonly int: string } = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map of keys',
  record: 'a map of names',
  array: 'a list',
};

/** Keys of the design that later versions read; refused rather than ignored. */
const LATER: ReadonlySet<string> = new Set(['gates', 'checks', 'flags', 'schema']);

function unknownKey(key: string, known: readonly string[]): string {
  if (LATER.has(key)) return 'is not supported yet; remove it';
  if (known.length === 0) return 'is not a known key; none is known here';
  const meant = suggest(key, known);
  return meant === null
    ? `is not a known key; known here: ${known.join(', ')}`
    : `is not a known key; did you mean ${meant}?`;
}

/** This branch of a union is of another type altogether. */
function rejectsWhole(issue: z.core.$ZodIssue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function notOneOf(input: unknown, values: readonly string[]): string {
  const list = values.join(', ');
  if (typeof input !== 'string') return mismatch(input, values.length === 1 ? list : `one of ${list}`);
  const meant = suggest(input, values);
  return `${quote(input)} is not one of ${list}${meant === null ? '' : `; did you mean ${meant}?`}`;
}

function kindOf(input: unknown): string {
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'string') return 'text';
  if (typeof input === 'number') return 'a number';
  if (typeof input === 'boolean') return `${input}`;
  return typeof input === 'object' ? 'a map' : `a ${typeof input}`;
}

function shown(input: unknown): string {
  return typeof input === 'string' ? quote(input) : String(input);
}
