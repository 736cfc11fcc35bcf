import type { z } from 'zod';
import { TealgateError } from '../platform/errors.ts';
import { toFindings } from './issues.ts';
import { type Finding, formatPath, printable } from './problem.ts';
import { PARSE_OPTIONS } from './values.ts';

/** Reads a value of the admin API by a part of the configuration schema. Throws `bad_request` with all its mistakes. */
export function readBody<Schema extends z.ZodType>(schema: Schema, input: unknown, what: string): z.output<Schema> {
  const result = schema.safeParse(input, PARSE_OPTIONS);
  if (!result.success) refuse(what, toFindings(result.error.issues));
  return result.data;
}

/** Throws `bad_request`: the message has every finding, and so has `details.problems`, each with path and message. */
export function refuse(what: string, findings: readonly Finding[]): never {
  const shown = findings.slice(0, MOST_FINDINGS);
  const problems = shown.map(({ path, message }) => ({ path: formatPath(path), message: printable(message) }));
  const list = problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
  throw new TealgateError('bad_request', `${what} is not valid: ${list}`, { details: { problems } });
}

const MOST_FINDINGS = 20;
