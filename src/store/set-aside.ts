import { existsSync, renameSync } from 'node:fs';
import { TealgateError } from '../platform/errors.ts';

/**
 * Moves a damaged store out of the way and says so: nothing is repaired or replaced by guesswork, and what is left of
 * it can still be examined. Its journal goes with it under the name that SQLite would look for.
 */
export function setAside(path: string, why: string, options: { atMs: number; cause?: unknown }): TealgateError {
  const aside = freeName(`${path}.corrupt-${utcStamp(options.atMs)}`);
  try {
    renameSync(path, aside);
    if (existsSync(`${path}-journal`)) renameSync(`${path}-journal`, `${aside}-journal`);
  } catch (cause) {
    return new TealgateError(
      'store_corrupt',
      `the store ${path} is damaged (${why}) and could not be moved out of the way: restore a backup to ${path}, or move it yourself to begin from the configuration`,
      { cause, details: { path } },
    );
  }
  return new TealgateError(
    'store_corrupt',
    `the store ${path} is damaged (${why}); it is kept as ${aside}: restore a backup to ${path}, or start again to begin from the configuration`,
    { cause: options.cause, details: { path, aside } },
  );
}

/** `20261122T213000Z`: sorts by time and is a legal file name everywhere. */
function utcStamp(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}

function freeName(name: string): string {
  for (let n = 1; ; n++) {
    const candidate = n === 1 ? name : `${name}-${n}`;
    if (!existsSync(candidate)) return candidate;
  }
}
