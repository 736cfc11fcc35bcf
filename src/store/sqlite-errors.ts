import { TealgateError } from '../platform/errors.ts';

/** Primary result codes, https://sqlite.org/rescode.html */
const RESULT = {
  busy: 5,
  locked: 6,
  readonly: 8,
  io: 10,
  corrupt: 11,
  full: 13,
  cantOpen: 14,
  notADatabase: 26,
} as const;

const UNSUPPORTED = 'unsupported file format';

type ResultName = keyof typeof RESULT;

/** Which of the results we tell apart an error from node:sqlite is; null for any other. */
export function sqliteResult(error: unknown): ResultName | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null;
  const primary = error.errcode & 0xff;
  for (const [name, code] of Object.entries(RESULT)) {
    // Object.entries widens the keys of a constant to string.
    if (code === primary) return name as ResultName;
  }
  return null;
}

/** True when the bytes of the file are wrong, as against the file being out of reach. */
export function isDamage(error: unknown): boolean {
  const result = sqliteResult(error);
  return result === 'corrupt' || result === 'notADatabase' || hasImpossibleSchema(error);
}

/** SQLite has no result code of its own for a schema format that no version of it ever wrote. */
function hasImpossibleSchema(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 1 && error.message === UNSUPPORTED;
}

/** What a failed opening means, for everything but damage. */
export function openError(path: string, cause: unknown): TealgateError {
  const result = sqliteResult(cause);
  if (result === 'busy' || result === 'locked') {
    return new TealgateError(
      'store_conflict',
      `the store ${path} is in use by another process: stop that one first, or give this one a store.path of its own`,
      { cause, details: { path } },
    );
  }
  return new TealgateError(
    'invalid_config',
    `the store ${path} cannot be opened for writing (${describe(cause)}): check store.path and the permissions of the file and its directory`,
    { cause, details: { path } },
  );
}

/** What a failed read or write of an open store means. */
export function useError(path: string, cause: unknown): TealgateError {
  if (isDamage(cause)) {
    return new TealgateError(
      'store_corrupt',
      `the store ${path} was damaged while in use (${describe(cause)}): restart, and it will be set aside`,
      { cause, details: { path } },
    );
  }
  return new TealgateError(
    'unavailable',
    `the store ${path} cannot be used (${describe(cause)}); nothing was changed`,
    { cause, details: { path } },
  );
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
