import { extname } from 'node:path';

/** The sources run as they are during development, and as JavaScript once built. */
const EXTENSION = extname(new URL(import.meta.url).pathname);

/**
 * Where a module that starts a thread or a process of its own lies, by its path without extension: `proxy/worker` is
 * `src/proxy/worker.ts`, and `dist/proxy/worker.js` once built. This module lies one directory below either.
 */
export function entryUrl(path: string): URL {
  return new URL(`../${path}${EXTENSION}`, import.meta.url);
}
