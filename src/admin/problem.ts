import { ERROR_STATUS, type ErrorCode, TealgateError } from '../platform/errors.ts';
import { STATUS_CODES } from '../platform/node-http.ts';

/** An error as callers see it (RFC 9457). Further members may follow; causes and stacks never do. */
export interface Problem {
  /** `urn:tealgate:error:` and the code. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** What is wrong and how to mend it. */
  readonly detail: string;
  readonly code: ErrorCode;
  /** Path of the request. */
  readonly instance?: string;
  /** One sentence for each thing that is wrong, where there may be several. */
  readonly problems?: readonly string[];
}

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Most problems that one answer lists. */
const MAX_PROBLEMS = 20;

/**
 * `details.problems` of the error become `problems`, `details.members` further members; other details stay in the log.
 */
export function toProblem(error: TealgateError, path?: string): Problem {
  const { problems, members } = error.details;
  return {
    ...(typeof members === 'object' ? members : {}),
    type: `urn:tealgate:error:${error.code}`,
    title: STATUS_CODES[error.status] ?? 'Error',
    status: error.status,
    detail: error.message,
    code: error.code,
    ...(path === undefined ? {} : { instance: path }),
    ...readProblems(problems),
  };
}

/** Turns what the HTTP framework throws (its status is 4xx) into an error of ours; anything else is `internal`. */
export function fromFrameworkError(error: unknown): TealgateError {
  if (error instanceof TealgateError) return error;
  if (!(error instanceof Error) || !('statusCode' in error)) return TealgateError.from(error);
  const code = CODE_OF_STATUS.get(Number(error.statusCode));
  return code === undefined ? TealgateError.from(error) : new TealgateError(code, sentence(code), { cause: error });
}

const CODE_OF_STATUS = new Map<number, ErrorCode>(
  (['bad_request', 'not_found', 'payload_too_large', 'unsupported_media_type'] as const).map((code) => [
    ERROR_STATUS[code],
    code,
  ]),
);

function sentence(code: ErrorCode): string {
  if (code === 'payload_too_large') return 'the body is larger than 64 KiB';
  if (code === 'unsupported_media_type') return 'the body must be application/json';
  return 'the request is not valid';
}

function readProblems(value: unknown): { readonly problems?: readonly string[] } {
  return Array.isArray(value) ? { problems: value.slice(0, MAX_PROBLEMS).map(sentenceOf) } : {};
}

/** A problem is a sentence already, or what the configuration found wrong at a path. */
function sentenceOf(problem: unknown): string {
  if (typeof problem !== 'object' || problem === null || !('message' in problem)) return String(problem);
  const path = 'path' in problem ? String(problem.path) : '';
  return path === '' ? String(problem.message) : `${path}: ${problem.message}`;
}
